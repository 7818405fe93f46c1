//! What is told of a server shows nothing of what we send.

use super::*;
use crate::effect::Level;

const KEY: &str = "sk-0123456789abcdef0123456789abcdef";
const IN_PATH: &str = "p4th-0123456789abcdef";

fn keyed() -> PoolSpec {
    let url = format!("http://mcp.test/{IN_PATH}/mcp?api_key=QSECRET99&name=a%2Fsecret");
    PoolSpec {
        carrier: Carrier::Remote(RemoteSpec {
            oauth: true,
            kind: RemoteKind::Http,
            url: Rc::new(Url::parse(&url).unwrap()),
            headers: Rc::from([(
                "Authorization".into(),
                Secret::from(&*format!("Bearer {KEY}")),
            )]),
        }),
        era: Era::Legacy,
        ..remote(RemoteKind::Http)
    }
}

fn assert_hidden(told: &str) {
    for secret in ["sk-01", "Bearer", "QSECRET", "a/secret", "p4th", "s3ss10n"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    assert!(told.contains("***"), "{told}");
}

/// As a server repeats them, wherever the sentence is cut.
fn sentences() -> impl Iterator<Item = String> {
    let all = format!(
        "{IN_PATH} QSECRET99 a/secret a%2Fsecret Bearer {KEY} \
         /{IN_PATH}/mcp?api_key=QSECRET99&name=a%2Fsecret"
    );
    (0..400)
        .step_by(3)
        .map(move |dots| format!("{all}{} {all}", ".".repeat(dots)))
}

#[test]
fn a_refusal_of_the_handshake_shows_no_secret_wherever_it_is_cut() {
    for sentence in sentences() {
        let mut bench = Bench::new();
        let pool = bench.start(keyed());
        let asked = bench.one("initialize");
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{{\"code\":1,\"message\":\"{sentence}\"}}}}"
        );
        bench.json(&asked, &body);
        assert_hidden(&bench.why(pool));
        assert_hidden(&bench.told().concat());
    }
}

#[test]
fn a_call_that_is_refused_shows_no_secret_wherever_it_is_cut() {
    for sentence in sentences() {
        let mut bench = Bench::new();
        bench.world.log_level = Level::Debug;
        let pool = bench.greeted(keyed(), Some("s3ss10n"));
        let ears = bench.one("GET");
        bench.stream(&ears, &[]);
        bench.told();
        for body in [
            format!("{sentence} s3ss10n"),
            format!("{{\"message\":\"{sentence}\"}}"),
        ] {
            bench.call(pool, 1);
            let call = bench.one("tools/call");
            bench.respond(&call, 500, &[], &body);
            assert_hidden(&bench.told().concat());
        }
        bench.chunk(&ears, &format!("data: {sentence}\n\n"));
        assert_hidden(&bench.told().concat());
        let id = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"{sentence}\",\"result\":{{}}}}\n\n");
        bench.chunk(&ears, &id);
        assert_hidden(&bench.told().concat());
    }
}
