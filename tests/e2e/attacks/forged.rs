//! Floods, forged addresses, and secrets where they do not belong.

use onemcp::base::form::Form;
use serde_json::json;

use crate::support::locked::{BACK, Browser, Locked, PASSWORD, VERIFIER};

fn registers(site: &Locked, fields: &str) -> u16 {
    let body = json!({"client_name": "x", "redirect_uris": [BACK]}).to_string();
    let fields = format!("Content-Type: application/json\r\n{fields}");
    let answer = site.ask("POST /register", &fields, &body);
    if answer.status == 429 {
        assert!(answer.header("retry-after").is_some());
    }
    answer.status
}

#[test]
fn s9_a_flood_of_registrations_ends_with_429() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let statuses: Vec<u16> = (0..60).map(|_| registers(&site, "")).collect();
    assert!(statuses.contains(&429) && statuses.iter().all(|s| matches!(s, 201 | 429)));
    // Who was there before goes on.
    let tokens = site.let_in(&mut owner, &client);
    assert!(site.lets_in(&tokens.access));
}

#[test]
fn x10_a_forged_address_has_no_effect_unless_its_sender_is_trusted() {
    let flood = |args: &[&str]| {
        let site = Locked::start(args);
        let registers = |n: u8| registers(&site, &format!("X-Forwarded-For: 198.51.100.{n}\r\n"));
        (0..60)
            .map(registers)
            .filter(|status| *status == 429)
            .count()
    };
    assert!(flood(&["--trust-proxy", "none"]) > 0);
    assert!(flood(&["--trust-proxy", "10.0.0.0/8"]) > 0);
    // By default a proxy on this machine is believed, so these are sixty different people.
    assert_eq!(flood(&[]), 0);
}

/// Everything that is secret goes through it once, at the loudest level of the log.
#[test]
fn x13_no_secret_is_in_the_log() {
    let site = Locked::start(&[]);
    let mut secrets = vec![PASSWORD.to_owned(), VERIFIER.to_owned()];
    let mut owner = Browser::owner(&site);
    secrets.push(owner.cookie.split_once('=').unwrap().1.to_owned());
    let body = json!({"redirect_uris": [BACK], "token_endpoint_auth_method": "client_secret_post"});
    let json = "Content-Type: application/json\r\n";
    let made = site
        .ask("POST /register", json, &body.to_string())
        .message();
    let (client, secret) = (
        made["client_id"].as_str().unwrap(),
        made["client_secret"].as_str(),
    );
    let secret = secret.unwrap();
    secrets.push(secret.to_owned());
    let page = owner.get(&format!("/authorize?{}", site.wish(client, BACK).text()));
    secrets.push(crate::support::locked::csrf(&page));
    let code = owner.allows(&site.wish(client, BACK));
    let form = site.redemption(client, &code);
    let tokens = site
        .redeem(&form.clone().with("client_secret", secret))
        .unwrap();
    secrets.extend([code, tokens.access.clone(), tokens.refresh.clone()]);
    // What is refused is logged more readily than what is served.
    let _again = site.redeem(&form.with("client_secret", "wrong"));
    Browser::new(&site).tries("a wrong password that is long");
    secrets.push("a wrong password that is long".to_owned());
    let session = site.session(&site.token(7, "mcp"));
    secrets.push(session);
    for token in [&tokens.access, &format!("{}x", tokens.access)] {
        site.mcp("/mcp", token, "tools/list", None);
        site.ask(&format!("GET /mcp?access_token={token}"), "", "");
        site.ask(&format!("GET /sse?access_token={token}"), "", "");
    }
    let revoke = Form::default()
        .with("client_id", client)
        .with("client_secret", secret)
        .with("token", &tokens.refresh);
    site.post_form("/revoke", "", &revoke);
    let dir = site.dir.file("");
    // The log is loud.
    site.gateway.log.containing("method=GET path=/mcp ");
    site.gateway.log.containing("method=POST path=/mcp ");
    let log = site.gateway.log.text();
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is in the log");
    }
    // On disk there are only hashes of what others hold.
    let record = std::fs::read_to_string(format!("{dir}auth/server.json")).unwrap();
    for secret in &secrets {
        assert!(!record.contains(secret.as_str()), "{secret} is on disk");
    }
    site.gateway.stop();
}
