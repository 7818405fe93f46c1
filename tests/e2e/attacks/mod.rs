//! The attacks on the front door and on the keys to others, each with the test that shows that it
//! fails. What comes from the network is tried here on the built binary; what needs a clock, a
//! disk or a browser of the test's own making is tried where those are, and [`ELSEWHERE`] says
//! where. A test reads that table and looks for each.

mod at_the_door;
mod codes;
mod forged;
mod neighbours;
mod pages;

use std::fs;
use std::path::Path;

/// Rows that are tried elsewhere: the attack, the file, the test.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "alg confusion",
        TOKEN,
        "alg_confusion_none_hs256_and_everything_else_but_eddsa_is_refused",
    ),
    (
        "crit, members twice, embedded keys",
        TOKEN,
        "headers_with_anything_more_less_or_elsewhere_are_refused",
    ),
    (
        "cut or foreign signature",
        TOKEN,
        "signatures_that_are_cut_longer_changed_or_of_another_key_are_refused",
    ),
    (
        "malleable signature",
        TOKEN,
        "a_signature_has_one_form_only",
    ),
    (
        "key that was rotated away",
        TOKEN,
        "a_key_that_was_rotated_away_is_good_no_more_and_two_keys_are_good_at_once",
    ),
    (
        "token longer than the limit",
        TOKEN,
        "x10_a_token_longer_than_the_limit_is_not_looked_at",
    ),
    (
        "stream that outlives its token",
        DOOR,
        "open_streams_end_with_the_newest_token_that_was_seen",
    ),
    (
        "session ids that collide",
        DOOR,
        "r8_a_session_is_unknown_to_every_grant_but_its_own",
    ),
    (
        "one grant takes all sessions",
        DOOR,
        "x10_one_grant_cannot_take_the_room_of_all",
    ),
    (
        "cursor of another grant",
        BOUND,
        "r8_a_cursor_is_good_for_its_grant_and_what_that_sees",
    ),
    (
        "request state of another grant",
        BOUND,
        "r8_a_request_state_is_good_for_its_grant",
    ),
    (
        "suspended call of another grant",
        BOUND,
        "r8_a_suspended_call_is_taken_up_by_its_grant_only",
    ),
    (
        "tasks of another grant",
        BOUND,
        "x3_tasks_of_one_grant_are_unknown_to_another_without_sessions",
    ),
    (
        "hidden server by a way round",
        "tests/hall/sight.rs",
        "x11_a_read_never_leads_to_a_hidden_server_by_any_way",
    ),
    (
        "code replay on a slow disk",
        SERVER,
        "s6_a_code_that_comes_twice_while_the_disk_is_slow",
    ),
    (
        "registrations that nobody wants",
        SERVER,
        "s9_a_registration_without_consent_is_gone_after_an_hour",
    ),
    (
        "document that says another url",
        "src/core/oauth/server/documents.rs",
        "s10_a_document_says_its_own_url_and_is_public",
    ),
    (
        "document whose server hangs",
        "src/core/oauth/server/tests/documents.rs",
        "s10_a_server_that_hangs_is_given_up",
    ),
    (
        "DNS rebinding between check and use",
        DIAL,
        "x6_of_mixed_addresses_only_the_public_ones_are_tried",
    ),
    (
        "private address by any name",
        DIAL,
        "x6_public_only_connects_to_no_address_of_ours_however_it_is_named",
    ),
    (
        "private address through a proxy",
        "src/core/fetch/tests/reaching.rs",
        "x6_what_is_plainly_private_is_not_even_left_to_a_proxy",
    ),
    (
        "guessing from many addresses",
        "src/core/oauth/owner/throttle.rs",
        "x10_many_addresses_together_are_slow_but_the_owner_comes_through",
    ),
    (
        "timing of comparisons",
        "src/core/base/digest.rs",
        "x3_secrets_are_compared_whole",
    ),
    (
        "parameters that break out of a redirect",
        "src/core/oauth/server/redirect.rs",
        "s4_parameters_are_added_and_cannot_break_out",
    ),
    (
        "mix-up of issuers",
        KEYRING,
        "o8_mix_up_the_code_of_one_issuer_never_goes_to_another",
    ),
    (
        "iss that differs or is missing",
        "src/core/oauth/client/tests/scenarios.rs",
        "o8_iss_is_compared_as_it_is",
    ),
    (
        "callback from another browser",
        KEYRING,
        "o8_a_state_is_of_one_browser_once_and_for_ten_minutes",
    ),
    (
        "callback by another user of the machine",
        "src/core/oauth/client/tests/stdio.rs",
        "o13_another_user_of_this_machine_cannot_begin_or_finish",
    ),
    (
        "whatever else is at the loopback port",
        "tests/hall/browsers_port.rs",
        "x8_nothing_of_the_gateway_is_at_the_port_for_browsers",
    ),
    (
        "who stays at the loopback port",
        "tests/hall/browsers_port.rs",
        "contract_5_the_port_ends_with_the_authorization_and_with_it_who_came",
    ),
    (
        "stranger clicks Authorize",
        KEYRING,
        "x8_only_the_owner_begins_and_with_his_own_form",
    ),
    (
        "stranger who looks local",
        "src/core/oauth/owner/place.rs",
        "contract_5_local_is_loopback_on_both_sides_and_nothing_forwarded",
    ),
    (
        "server that names private places",
        KEYRING,
        "o12_the_places_that_a_public_server_names_are_public",
    ),
    (
        "tokens of one issuer sent to another",
        "src/core/oauth/client/tests/scenarios.rs",
        "o9_another_issuer_gets_nothing_of_the_first",
    ),
    (
        "three instances refresh one token",
        "src/core/oauth/client/tests/renewing.rs",
        "contract_5_three_instances_renew_one_token_with_one_request",
    ),
];

const TOKEN: &str = "src/core/oauth/token.rs";
const DIAL: &str = "src/shell/dial_tests.rs";
const KEYRING: &str = "src/core/oauth/client/tests/attacks.rs";
const BOUND: &str = "tests/hall/sight_bound.rs";
const DOOR: &str = "src/core/client/tests/auth.rs";
const SERVER: &str = "src/core/oauth/server/tests/refused.rs";

#[test]
fn every_attack_that_is_tried_elsewhere_is_tried_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (attack, file, test) in ELSEWHERE {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        let found = text.contains(&format!("fn {test}()"));
        assert!(found, "{attack}: {file} has no test {test}");
    }
}
