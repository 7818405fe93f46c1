//! The owner's browser, and pages of strangers in it.

use onemcp::base::form::Form;

use crate::support::locked::{BACK, Browser, Locked, PASSWORD, csrf, sent};

/// A form that the page of a stranger makes the browser send.
fn from_elsewhere(browser: &Browser<'_>) -> Vec<String> {
    let fields = &browser.fields;
    vec![
        format!("{fields}Origin: https://evil.example\r\n"),
        format!("{fields}Origin: null\r\n"),
        format!("{fields}Sec-Fetch-Site: cross-site\r\n"),
        format!("{fields}Sec-Fetch-Site: same-site\r\n"),
    ]
}

#[test]
fn s5_a_strangers_page_cannot_press_allow() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let wish = site.wish(&client, BACK);
    let page = owner.get(&format!("/authorize?{}", wish.text()));
    let good = csrf(&page);
    let form = wish.with("decision", "allow");
    let refused = |answer: &crate::support::http::Answer| {
        answer.status == 403 && answer.header("location").is_none()
    };
    // Without the token of the form, with that of another browser, or a wrong one.
    let theirs = csrf(&Browser::new(&site).get("/oauth/login"));
    for csrf in ["", "x", theirs.as_str()] {
        let answer = owner.post("/authorize", &form.clone().with("csrf", csrf));
        assert!(refused(&answer), "{answer:?}");
    }
    assert!(refused(&owner.post("/authorize", &form)));
    // And even with it, if the browser says where it comes from.
    let plain = owner.fields.clone();
    for fields in from_elsewhere(&owner) {
        owner.fields.clone_from(&fields);
        let answer = owner.post("/authorize", &form.clone().with("csrf", &good));
        assert!(refused(&answer), "{fields}: {answer:?}");
    }
    owner.fields = plain;
    let answer = owner.post("/authorize", &form.with("csrf", &good));
    assert!(sent(&answer).get("code").is_some());
}

#[test]
fn s5_a_stranger_cannot_press_it_either() {
    let site = Locked::start(&[]);
    let client = site.register(BACK);
    let wish = site.wish(&client, BACK);
    let mut stranger = Browser::new(&site);
    let page = stranger.get("/oauth/login");
    let form = wish.with("csrf", &csrf(&page)).with("decision", "allow");
    let answer = stranger.post("/authorize", &form);
    let location = answer.header("location").unwrap_or_default();
    assert!(
        location.is_empty() || location.starts_with("/oauth/login"),
        "{answer:?}"
    );
}

#[test]
fn s5_a_strangers_page_cannot_log_in_or_out() {
    let site = Locked::start(&[]);
    let mut browser = Browser::new(&site);
    let good = csrf(&browser.get("/oauth/login"));
    let form = Form::default().with("password", PASSWORD);
    let wrong = csrf(&Browser::new(&site).get("/oauth/login"));
    for csrf in ["", wrong.as_str()] {
        browser.post("/oauth/login", &form.clone().with("csrf", csrf));
        assert!(!browser.is_owner());
    }
    let plain = browser.fields.clone();
    for fields in from_elsewhere(&browser) {
        browser.fields = fields;
        browser.post("/oauth/login", &form.clone().with("csrf", &good));
        browser.fields.clone_from(&plain);
        assert!(!browser.is_owner());
    }
    let mut owner = Browser::owner(&site);
    owner.post("/oauth/logout", &Form::default());
    assert!(owner.is_owner());
}

#[test]
fn m5_who_has_the_cookie_of_a_plain_login_lets_nobody_in_after_its_owner_has() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    site.let_in(&mut owner, &site.register(BACK));
    // The browser sent its cookie to another port of the same host.
    let mut thief = Browser::new(&site);
    thief.cookie.clone_from(&owner.cookie);
    let own = site.register("https://evil.example/cb");
    let wish = site.wish(&own, "https://evil.example/cb");
    let page = thief.get(&format!("/authorize?{}", wish.text()));
    assert!(!page.text().contains("name=\"decision\""), "{page:?}");
    let good = csrf(&thief.get("/oauth"));
    let form = wish.with("decision", "allow").with("csrf", &good);
    let answer = thief.post("/authorize", &form);
    let location = answer.header("location").unwrap_or_default();
    assert!(!location.contains("evil.example/cb?"), "{answer:?}");
    assert!(!location.contains("code="), "{answer:?}");
}

#[test]
fn m3_a_stranger_cannot_keep_out_a_browser_that_was_in_before() {
    let site = Locked::start(&[]);
    let mut owner = Browser::new(&site);
    let page = owner.get("/oauth/login");
    let right = Form::default().with("password", PASSWORD);
    let answer = owner.post("/oauth/login", &right.clone().with("csrf", &csrf(&page)));
    let mut set = answer.headers.iter().map(|(_, value)| value);
    let known = set.find(|value| value.contains("-known=")).unwrap();
    let known = known.split(';').next().unwrap().to_owned();
    // Seven at once: so many wait for their turn, and no other.
    let mut stranger = Browser::new(&site);
    let form = Form::default()
        .with("csrf", &csrf(&stranger.get("/oauth/login")))
        .with("password", "guess");
    let fields = format!(
        "Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        stranger.cookie
    );
    let waiting: Vec<_> = (0..7)
        .map(|_| site.connect("POST /oauth/login", &fields, &form.text()))
        .collect();
    let mut again = Browser::new(&site);
    let page = again.get("/oauth/login");
    again.cookie = format!("{}; {known}", again.cookie);
    let answer = again.post("/oauth/login", &right.with("csrf", &csrf(&page)));
    assert_eq!(answer.status, 303, "{answer:?}");
    drop(waiting);
}

#[test]
fn x3_a_browser_that_was_fixed_before_the_login_is_not_logged_in() {
    let site = Locked::start(&[]);
    let mut attacker = Browser::new(&site);
    attacker.get("/oauth/login");
    // The victim logs in with the cookie that the attacker planted.
    let mut victim = Browser::new(&site);
    victim.cookie.clone_from(&attacker.cookie);
    assert_eq!(victim.tries(PASSWORD).status, 303);
    assert!(victim.is_owner());
    assert_ne!(victim.cookie, attacker.cookie);
    assert!(!attacker.is_owner());
}

#[test]
fn s5_no_page_can_be_framed_or_runs_a_script() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let client = site.register(BACK);
    let consent = format!("/authorize?{}", site.wish(&client, BACK).text());
    let bad = "/authorize?client_id=nobody".to_owned();
    let mut stranger = Browser::new(&site);
    let pages = [
        owner.get(&consent),
        owner.get(&bad),
        owner.get("/oauth"),
        owner.get("/"),
        stranger.get("/oauth/login"),
    ];
    for page in pages {
        let policy = page
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{page:?}"));
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let text = page.text();
        assert!(
            !text.contains("<script>") && !text.contains("onclick"),
            "{text}"
        );
    }
}

#[test]
fn s5_the_name_of_a_client_is_text() {
    let site = Locked::start(&[]);
    let mut owner = Browser::owner(&site);
    let body = r#"{"client_name":"<script>alert(1)</script>\u202e\" onload=","redirect_uris":["https://app.example/cb"]}"#;
    let answer = site.ask("POST /register", "Content-Type: application/json\r\n", body);
    let client = answer.message()["client_id"].as_str().unwrap().to_owned();
    let page = owner.get(&format!("/authorize?{}", site.wish(&client, BACK).text()));
    let text = page.text();
    assert!(
        !text.contains("<script>alert") && !text.contains('\u{202e}'),
        "{text}"
    );
    assert!(text.contains("app.example"));
}

#[test]
fn x1_after_the_login_nobody_is_sent_elsewhere() {
    let site = Locked::start(&[]);
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5cevil.example",
        "javascript:alert(1)",
        "/oauth\r\nSet-Cookie: a=b",
        "/mcp",
    ] {
        let mut browser = Browser::new(&site);
        let query = Form::default().with("next", next).text();
        let page = browser.get(&format!("/oauth/login?{query}"));
        let form = Form::default()
            .with("csrf", &csrf(&page))
            .with("password", PASSWORD)
            .with("next", next);
        let answer = browser.post("/oauth/login", &form);
        assert_eq!(answer.status, 303, "{answer:?}");
        let location = answer.header("location").unwrap();
        let ours = location.starts_with("/oauth") || location.starts_with("/authorize");
        assert!(ours && !location.contains("evil"), "{next}: {location}");
    }
}

#[test]
fn x10_passwords_cannot_be_guessed() {
    let site = Locked::start(&["--trust-proxy", "none"]);
    let mut browser = Browser::new(&site);
    let form = Form::default()
        .with("csrf", &csrf(&browser.get("/oauth/login")))
        .with("password", "guess");
    // Another address each time, as far as the field goes: nobody here is trusted to say so.
    let fields = |browser: &Browser<'_>, number: usize| {
        format!(
            "Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             X-Forwarded-For: 198.51.100.{number}\r\n",
            browser.cookie
        )
    };
    // Three are judged at once; four wait for their turn, ever longer; then nobody may.
    let waiting: Vec<_> = (0..7)
        .map(|number| site.connect("POST /oauth/login", &fields(&browser, number), &form.text()))
        .collect();
    let refused = (7..13).filter(|number| {
        let answer = site.ask(
            "POST /oauth/login",
            &fields(&browser, *number),
            &form.text(),
        );
        assert_ne!(answer.status, 303);
        answer.status == 429 && answer.header("retry-after").is_some()
    });
    assert!(
        refused.count() > 0,
        "as many wrong passwords without a pause"
    );
    assert!(!browser.is_owner());
    drop(waiting);
}
