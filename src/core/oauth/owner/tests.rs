//! The login as a whole: what a browser sends, what it is answered, who it is afterwards.

use super::testkit::{World, form, link, password, request, stretch};
use super::throttle::Origin;
use super::{Logins, Visitor, Who};
use crate::cx::Alarm;
use crate::effect::Effect;
use crate::language::WebRequest;
use crate::limits::{LOGIN_FREE_TRIES, LOGIN_QUEUE_MAX, OWNER_PLAIN_IDLE_MS, PASSWORD_BYTES_MAX};
use crate::oauth::{Step, Wish};
use crate::settings::Settings;
use crate::web::answer::Answer;

const RIGHT: &str = "right & strong";

struct Site {
    world: World,
    logins: Logins,
    /// The shell's answers are held back.
    slow: bool,
    links: u32,
}

impl Site {
    fn new() -> Self {
        Self::with(&Settings::default())
    }

    fn with(settings: &Settings) -> Self {
        let mut logins = Logins::new(settings);
        logins.password(Some(password(RIGHT)));
        Self {
            world: World::default(),
            logins,
            slow: false,
            links: 0,
        }
    }

    fn visitor(&mut self, request: &WebRequest) -> Visitor {
        self.logins.visitor(&mut self.world.cx(), request)
    }

    /// Sends a request; `None`: it is answered later.
    fn ask(&mut self, request: &WebRequest) -> Option<Answer> {
        let visitor = self.visitor(request);
        self.links += 1;
        let link = link(self.links);
        let step = self
            .logins
            .request(&mut self.world.cx(), link, request, &visitor);
        match step {
            Step::Answer(answer) => Some(answer),
            Step::Later if self.slow => None,
            Step::Later => {
                self.stretch();
                self.told()
            }
        }
    }

    /// Does what the shell is asked for.
    fn stretch(&mut self) {
        for order in self.world.orders() {
            if let Effect::Stretch {
                ticket,
                password,
                salt,
                ..
            } = order
            {
                let key = stretch(password.reveal(), salt);
                self.logins.stretched(&mut self.world.cx(), ticket, key);
            }
        }
    }

    /// Time passes, and the alarm rings if it has to.
    fn ring(&mut self, ms: u64) {
        self.world.now.tick = self.world.now.tick.after(ms);
        if self.world.timers.pop_due(self.world.now.tick) == Some(Alarm::Login) {
            self.logins.alarm(&mut self.world.cx());
            self.stretch();
        }
    }

    fn told(&mut self) -> Option<Answer> {
        match self.logins.told()? {
            Wish::Answer { answer, .. } => Some(answer),
            other => panic!("{other:?}"),
        }
    }

    /// Opens the login page with a new browser: its cookie, its hidden field.
    fn browser(&mut self) -> (String, String) {
        let page = request("GET", "/oauth/login", "Accept: text/html\r\n", "");
        let visitor = self.visitor(&page);
        let answer = self.ask(&page).unwrap();
        assert_eq!(answer.status, 200);
        // Each visit without a cookie is another browser; this one is the first.
        let cookie = cookie_of(visitor.cookie.as_deref().unwrap());
        (cookie, visitor.csrf)
    }

    fn try_with(&mut self, (cookie, csrf): &(String, String), password: &str) -> Option<Answer> {
        let body = crate::base::form::Form::default()
            .with("csrf", csrf)
            .with("next", "/authorize?a=b")
            .with("password", password)
            .text();
        self.ask(&form("/oauth/login", cookie, &body))
    }

    /// Logs in with a new browser; its cookie afterwards.
    fn log_in(&mut self) -> String {
        let browser = self.browser();
        let answer = self.try_with(&browser, RIGHT).unwrap();
        assert_eq!(answer.status, 303, "{}", text(&answer));
        cookie_of(answer.field("Set-Cookie").unwrap())
    }

    fn who(&mut self, cookie: &str) -> Who {
        let fields = format!("Cookie: {cookie}\r\n");
        self.visitor(&request("GET", "/oauth", &fields, "")).who
    }
}

/// What a browser sends back of a `Set-Cookie`.
fn cookie_of(set: &str) -> String {
    set.split(';').next().unwrap().to_owned()
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[test]
fn contract_5_the_right_password_makes_a_browser_the_owners() {
    let mut site = Site::new();
    let browser = site.browser();
    assert_eq!(site.who(&browser.0), Who::Local);
    let answer = site.try_with(&browser, RIGHT).unwrap();
    assert_eq!(answer.status, 303);
    assert_eq!(answer.field("Location"), Some("/authorize?a=b"));
    let set = answer.field("Set-Cookie").unwrap();
    assert!(set.starts_with("1mcp-3050=") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax"));
    let owner = cookie_of(set);
    assert_eq!(site.who(&owner), Who::Owner);
    // Session fixation: whoever knew the id of before has nothing of it.
    assert_ne!(owner, browser.0);
    assert_eq!(site.who(&browser.0), Who::Local);
    let again = request(
        "GET",
        "/oauth/login?next=%2F",
        &format!("Cookie: {owner}\r\n"),
        "",
    );
    assert_eq!(site.ask(&again).unwrap().field("Location"), Some("/"));
}

#[test]
fn contract_5_the_wrong_password_is_told_and_lets_nobody_in() {
    let mut site = Site::new();
    let browser = site.browser();
    for wrong in ["wrong", "", "right", "right & strong "] {
        let answer = site.try_with(&browser, wrong).unwrap();
        assert_eq!(answer.field("Set-Cookie"), None);
        assert_eq!(answer.status, 403);
        let page = text(&answer);
        assert!(page.contains("That is not the password") && !page.contains(RIGHT));
        assert!(page.contains(&browser.1) && page.contains("/authorize?a=b"));
        assert_eq!(site.who(&browser.0), Who::Local);
    }
    site.world.now.tick = site.world.now.tick.after(60_000);
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    assert_eq!(site.try_with(&browser, &long).unwrap().status, 403);
}

#[test]
fn s5_a_login_that_another_page_sends_does_nothing() {
    let mut site = Site::new();
    let (cookie, csrf) = site.browser();
    let other = site.browser();
    let right = format!("password=right+%26+strong&csrf={csrf}");
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let send = |fields: &str, body: &str| {
        let fields = format!("{fields}{kind}Accept: text/html\r\n");
        request("POST", "/oauth/login", &fields, body)
    };
    let own = format!("Cookie: {cookie}\r\n");
    for (fields, body, why) in [
        (
            own.clone(),
            "password=right+%26+strong".to_owned(),
            "no token",
        ),
        (own.clone(), format!("{right}&csrf={csrf}"), "two tokens"),
        (
            own.clone(),
            format!("password=right+%26+strong&csrf={}", other.1),
            "the token of another browser",
        ),
        (String::new(), right.clone(), "no cookie"),
        (
            format!("Cookie: {}x\r\n", cookie),
            right.clone(),
            "a forged cookie",
        ),
        (
            format!("{own}Sec-Fetch-Site: cross-site\r\n"),
            right.clone(),
            "another site",
        ),
        (
            format!("{own}Origin: http://localhost:5173\r\n"),
            right.clone(),
            "another port",
        ),
    ] {
        let answer = site.ask(&send(&fields, &body)).unwrap();
        assert_eq!(answer.status, 403, "{why}");
        assert!(text(&answer).contains("out of date"), "{why}");
    }
    let answer = site.ask(&send(&own, &right)).unwrap();
    assert_eq!(
        answer.field("Location"),
        Some("/oauth"),
        "{}",
        text(&answer)
    );
}

#[test]
fn forms_that_are_none_are_refused() {
    let mut site = Site::new();
    for (kind, body, status) in [
        ("text/plain", "a=b".to_owned(), 415),
        ("application/x-www-form-urlencoded", "a=%".to_owned(), 400),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            "a".repeat(crate::limits::FORM_BYTES_MAX + 1),
            413,
        ),
    ] {
        for path in ["/oauth/login", "/oauth/logout"] {
            let fields = format!("Content-Type: {kind}\r\n");
            let answer = site.ask(&request("POST", path, &fields, &body)).unwrap();
            assert_eq!(answer.status, status, "{path}");
        }
    }
    let answer = site.ask(&request("GET", "/oauth/logout", "", "")).unwrap();
    assert_eq!((answer.status, answer.field("Allow")), (405, Some("POST")));
}

#[test]
fn contract_5_without_a_password_the_page_says_how_to_set_one() {
    let mut site = Site::new();
    let browser = site.browser();
    site.logins.password(None);
    let page = request("GET", "/oauth/login", "Accept: text/html\r\n", "");
    for answer in [site.ask(&page), site.try_with(&browser, RIGHT)] {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 403);
        let page = text(&answer);
        assert!(page.contains("1mcp auth set-password") && !page.contains("<form"));
    }
}

#[test]
fn x3_cookies_on_https_are_bound_to_host_and_tls() {
    let mut site = Site::with(&Settings {
        external_url: Some("https://a.b".to_owned()),
        ..Settings::default()
    });
    let page = request("GET", "/oauth/login", "Host: a.b\r\n", "");
    let set = site.visitor(&page).cookie.unwrap();
    assert!(set.starts_with("__Host-1mcp="));
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
    assert_eq!(site.visitor(&page).who, Who::Stranger, "never local");
}

#[test]
fn a_new_password_ends_all_logins() {
    let mut site = Site::new();
    let owner = site.log_in();
    site.logins.password(Some(password(RIGHT)));
    assert_eq!(site.who(&owner), Who::Owner, "the same one was read again");
    site.logins.password(Some(password("another")));
    assert_eq!(site.who(&owner), Who::Local);
}

#[test]
fn a_logout_ends_the_login_and_needs_the_form() {
    let mut site = Site::new();
    let owner = site.log_in();
    let fields = format!("Cookie: {owner}\r\n");
    let csrf = site.visitor(&request("GET", "/oauth", &fields, "")).csrf;
    let forged = site.ask(&form("/oauth/logout", &owner, "csrf=x")).unwrap();
    assert_eq!(forged.status, 403);
    assert_eq!(site.who(&owner), Who::Owner);
    let body = format!("csrf={csrf}");
    let answer = site.ask(&form("/oauth/logout", &owner, &body)).unwrap();
    assert_eq!((answer.status, answer.field("Location")), (303, Some("/")));
    assert_eq!(site.who(&owner), Who::Local);
    let fresh = cookie_of(answer.field("Set-Cookie").unwrap());
    assert_ne!(fresh, owner);
}

#[test]
fn among_several_cookies_of_our_name_that_of_the_owner_counts() {
    let mut site = Site::new();
    let owner = site.log_in();
    let (stranger, _) = site.browser();
    assert_eq!(
        site.who(&format!("1mcp-3050=x; {stranger}; {owner}")),
        Who::Owner
    );
    let fields = format!("Cookie: {}{owner}\r\n", "1mcp-3050=x; ".repeat(9));
    assert_eq!(
        site.visitor(&request("GET", "/", &fields, "")).who,
        Who::Local
    );
}

#[test]
fn x10_a_flood_of_visitors_leaves_nothing_behind() {
    let mut site = Site::new();
    let page = request("GET", "/oauth", "", "");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        seen.insert(site.visitor(&page).browser);
    }
    assert_eq!(seen.len(), 1_000, "each is another one");
    assert_eq!(site.logins.owners.clear(), 0);
    assert!(site.world.orders().is_empty());
}

#[test]
fn x10_one_password_is_stretched_at_a_time_and_few_wait() {
    let mut site = Site::new();
    site.slow = true;
    let browser = site.browser();
    let csrf = browser.1.clone();
    let mut orders = 0;
    for n in 0..LOGIN_QUEUE_MAX + 1 {
        let body = format!("password=x&csrf={csrf}");
        let mut one = form("/oauth/login", &browser.0, &body);
        one.client = [10, 0, 0, u8::try_from(n).unwrap()].into();
        assert!(site.ask(&one).is_none(), "{n}");
        orders += site.world.orders().iter().filter(is_stretch).count();
    }
    assert_eq!(orders, 1);
    let answer = site.try_with(&browser, RIGHT).unwrap();
    assert_eq!(answer.status, 429);
    assert!(answer.field("Retry-After").is_some());
    for ticket in 1..=u64::try_from(LOGIN_QUEUE_MAX + 1).unwrap() {
        // Nobody waits for those of before or of later.
        site.logins
            .stretched(&mut site.world.cx(), ticket + 1, [0; 32]);
        assert!(site.told().is_none());
        site.logins.stretched(&mut site.world.cx(), ticket, [0; 32]);
        assert_eq!(site.told().unwrap().status, 403);
    }
    assert!(site.told().is_none());
    site.slow = false;
    assert_eq!(site.try_with(&browser, RIGHT).unwrap().status, 303);
}

fn is_stretch(effect: &&Effect) -> bool {
    matches!(effect, Effect::Stretch { .. })
}

#[test]
fn m3_a_try_that_comes_during_a_delay_is_judged_when_its_turn_comes() {
    let mut site = Site::new();
    let browser = site.browser();
    for _ in 0..LOGIN_FREE_TRIES {
        assert_eq!(site.try_with(&browser, "wrong").unwrap().status, 403);
    }
    assert!(site.try_with(&browser, RIGHT).is_none(), "it waits");
    let due = site.world.now.tick.after(1_000);
    assert_eq!(site.world.timers.get(Alarm::Login), Some(due));
    site.ring(999);
    assert!(site.told().is_none());
    site.ring(1);
    assert_eq!(site.told().unwrap().status, 303);
    assert_eq!(site.try_with(&browser, "wrong").unwrap().status, 403);
}

#[test]
fn m3_who_would_wait_for_too_long_is_told_when_to_come_again() {
    let mut site = Site::new();
    let browser = site.browser();
    site.slow = true;
    let answer = loop {
        if let Some(answer) = site.try_with(&browser, "wrong") {
            break answer;
        }
    };
    assert_eq!(answer.status, 429);
    assert_eq!(answer.field("Retry-After"), Some("1"));
    for _ in 0..50 {
        assert_eq!(site.try_with(&browser, "wrong").unwrap().status, 429);
    }
    let log = format!("{:?}", site.world.orders());
    assert_eq!(log.matches("tries too often").count(), 1, "{log}");
}

/// The cookie of a browser that has logged in before, of a login's answer.
fn known_of(answer: &Answer) -> String {
    let mut fields = answer.headers.iter();
    let known =
        fields.find_map(|(_, value)| value.starts_with("1mcp-3050-known=").then_some(value));
    let known = known.unwrap();
    assert!(known.ends_with("; Path=/oauth/login; HttpOnly; SameSite=Lax; Max-Age=15552000"));
    cookie_of(known)
}

#[test]
fn m3_a_stranger_at_the_same_address_cannot_keep_the_owner_out() {
    let mut site = Site::new();
    let browser = site.browser();
    let answer = site.try_with(&browser, RIGHT).unwrap();
    let known = known_of(&answer);
    // Days later, and after a restart: only the record is what it was.
    let stored = site.logins.password.clone();
    site.logins = Logins::new(&Settings::default());
    site.logins.password(stored);
    let stranger = site.browser();
    site.slow = true;
    while site.try_with(&stranger, "wrong").is_none() {}
    let (cookie, csrf) = site.browser();
    let fresh = site.try_with(&(cookie.clone(), csrf.clone()), RIGHT);
    assert_eq!(fresh.unwrap().status, 429, "not told from the stranger");
    let own = (format!("{cookie}; {known}"), csrf);
    assert!(site.try_with(&own, RIGHT).is_none(), "it waits for nobody");
    site.stretch();
    let mut answers: Vec<Answer> = std::iter::from_fn(|| site.told()).collect();
    while !answers.iter().any(|answer| answer.status == 303) {
        site.stretch();
        let told = site.told().unwrap();
        answers.push(told);
    }
    let again = answers.last().unwrap();
    assert_eq!(known_of(again), known, "and is known by the same name");
}

#[test]
fn m3_what_a_browser_is_known_by_lets_nobody_in_and_ends_with_the_password() {
    let mut site = Site::new();
    let browser = site.browser();
    let known = known_of(&site.try_with(&browser, RIGHT).unwrap());
    let value = known.split_once('=').unwrap().1;
    assert_eq!(site.who(&known), Who::Local);
    assert_eq!(site.who(&format!("1mcp-3050={value}")), Who::Local);
    let origin = |site: &Site, cookie: &str| {
        let fields = format!("Cookie: {cookie}\r\n");
        let request = request("POST", "/oauth/login", &fields, "");
        site.logins.origin(&request, "1mcp-3050-known")
    };
    assert!(matches!(origin(&site, &known), Origin::Known(_)));
    let swapped = known.replacen("-known=", "=", 1);
    let login = browser.0.replacen('=', "-known=", 1);
    for other in [swapped, login, format!("{known}x"), String::new()] {
        assert!(
            matches!(origin(&site, &other), Origin::Address(_)),
            "{other}"
        );
    }
    site.logins.password(Some(password("another")));
    assert!(matches!(origin(&site, &known), Origin::Address(_)));
}

#[test]
fn m3_there_is_room_for_a_browser_that_was_in_before_when_the_queue_is_full() {
    let mut site = Site::new();
    let browser = site.browser();
    let known = known_of(&site.try_with(&browser, RIGHT).unwrap());
    site.slow = true;
    for n in 0..LOGIN_QUEUE_MAX + 1 {
        let mut one = form(
            "/oauth/login",
            &browser.0,
            &format!("password=x&csrf={}", browser.1),
        );
        one.client = [10, 0, 1, u8::try_from(n).unwrap()].into();
        assert!(site.ask(&one).is_none(), "{n}");
    }
    assert_eq!(site.try_with(&browser, RIGHT).unwrap().status, 429);
    let own = (format!("{}; {known}", browser.0), browser.1);
    assert!(site.try_with(&own, RIGHT).is_none());
}

/// What the owner's browser sends with a click on Allow.
fn decision(site: &mut Site, cookie: &str) -> WebRequest {
    let fields = format!("Cookie: {cookie}\r\n");
    let csrf = site
        .visitor(&request("GET", "/authorize", &fields, ""))
        .csrf;
    form("/authorize", cookie, &format!("decision=allow&csrf={csrf}"))
}

fn sees(site: &mut Site, target: &str, cookie: &str) -> Who {
    let fields = format!("Cookie: {cookie}\r\n");
    site.visitor(&request("GET", target, &fields, "")).who
}

#[test]
fn m5_without_tls_the_next_consent_asks_for_the_password_again() {
    let mut site = Site::new();
    let owner = site.log_in();
    assert_eq!(sees(&mut site, "/authorize?a=b", &owner), Who::Owner);
    // What another page sends is no decision.
    let forged = form("/authorize", &owner, "decision=allow&csrf=x");
    let visitor = site.visitor(&forged);
    site.logins.decides(&forged, &visitor);
    assert_eq!(sees(&mut site, "/authorize", &owner), Who::Owner);
    let allow = decision(&mut site, &owner);
    let visitor = site.visitor(&allow);
    assert_eq!(visitor.who, Who::Owner, "this one counts");
    site.logins.decides(&allow, &visitor);
    assert_eq!(site.visitor(&allow).who, Who::Local, "the same once more");
    assert_eq!(sees(&mut site, "/authorize?a=b", &owner), Who::Local);
    assert_eq!(sees(&mut site, "/oauth", &owner), Who::Owner, "no consent");
    // The login page is shown, not skipped: there would be no way on from /authorize.
    let fields = format!("Cookie: {owner}\r\nAccept: text/html\r\n");
    let page = request("GET", "/oauth/login?next=%2Fauthorize", &fields, "");
    let csrf = site.visitor(&page).csrf;
    assert_eq!(site.ask(&page).unwrap().status, 200);
    let answer = site.try_with(&(owner, csrf), RIGHT).unwrap();
    let again = cookie_of(answer.field("Set-Cookie").unwrap());
    assert_eq!(sees(&mut site, "/authorize", &again), Who::Owner);
}

#[test]
fn m5_without_tls_a_login_ends_after_ten_idle_minutes() {
    let mut site = Site::new();
    let owner = site.log_in();
    site.world.now.tick = site.world.now.tick.after(OWNER_PLAIN_IDLE_MS - 1);
    assert_eq!(site.who(&owner), Who::Owner);
    site.world.now.tick = site.world.now.tick.after(OWNER_PLAIN_IDLE_MS);
    assert_eq!(site.who(&owner), Who::Local);
}

#[test]
fn m5_with_tls_a_login_decides_about_many_clients() {
    let mut site = Site::with(&Settings {
        external_url: Some("https://localhost:3050".to_owned()),
        ..Settings::default()
    });
    let owner = site.log_in();
    for _ in 0..3 {
        let allow = decision(&mut site, &owner);
        let visitor = site.visitor(&allow);
        assert_eq!(visitor.who, Who::Owner);
        site.logins.decides(&allow, &visitor);
        site.world.now.tick = site.world.now.tick.after(OWNER_PLAIN_IDLE_MS);
    }
}

#[test]
fn a_password_that_changes_while_one_is_tried_counts() {
    for (new, status) in [(Some("another"), 403), (Some(RIGHT), 303), (None, 403)] {
        let mut site = Site::new();
        site.slow = true;
        let browser = site.browser();
        assert!(site.try_with(&browser, RIGHT).is_none());
        let mut changed = new.map(password);
        if let Some(changed) = &mut changed {
            changed.salt = [8; 16];
            changed.key = stretch(new.unwrap(), [8; 16]);
        }
        site.logins.password(changed);
        site.stretch();
        site.stretch();
        assert_eq!(site.told().unwrap().status, status, "{new:?}");
        assert!(site.told().is_none());
    }
}

#[test]
fn x13_no_log_line_has_a_secret() {
    let mut site = Site::new();
    let browser = site.browser();
    let mut lines = Vec::new();
    for password in ["hunter2-wrong", RIGHT] {
        site.slow = true;
        assert!(site.try_with(&browser, password).is_none());
        for order in site.world.orders() {
            let Effect::Stretch {
                ticket,
                password,
                salt,
                ..
            } = order
            else {
                continue;
            };
            let key = stretch(password.reveal(), salt);
            site.logins.stretched(&mut site.world.cx(), ticket, key);
        }
        lines.extend(site.world.orders());
    }
    let log = format!("{lines:?}");
    assert!(log.contains("a wrong password from 127.0.0.1"), "{log}");
    assert!(log.contains("the owner has logged in from 127.0.0.1"));
    for secret in ["hunter2", RIGHT, browser.1.as_str(), browser.0.as_str()] {
        assert!(!log.contains(secret), "{log}");
    }
}
