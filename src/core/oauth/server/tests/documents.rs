//! Clients that are documents of the web (S10).

use super::*;
use crate::fetch::Reach;
use crate::http1::response_head::ResponseHead;
use crate::limits::{DOCUMENT_MS_MAX, DOCUMENT_WAITERS_MAX};

const URL: &str = "https://app.example/client.json";

fn target() -> String {
    format!("/authorize?{}", request_of(URL).text())
}

fn get_text() -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
        target()
    )
}

fn document() -> Vec<u8> {
    let text = format!(
        "{{\"client_id\":\"{URL}\",\"client_name\":\"Doc\",\"redirect_uris\":[\"{BACK}\"]}}"
    );
    text.into_bytes()
}

impl World {
    fn served(&mut self, number: u32, body: Vec<u8>) {
        let head = ResponseHead::of(200, false, &[("Content-Type", "application/json")]);
        self.act(|server, cx| server.news(cx, number, News::Head(head)));
        self.act(|server, cx| server.news(cx, number, News::End(body)));
    }
}

#[test]
fn s10_a_document_is_fetched_for_the_owner_and_kept() {
    let mut world = World::new();
    world.who = Who::Stranger;
    assert_eq!(world.get(&target()).status, 303);
    assert!(world.asked.is_empty());
    world.who = Who::Owner;
    let (one, none) = world.send(&get_text());
    assert!(none.is_none());
    let (two, _) = world.send(&get_text());
    let (number, order) = world.asked.pop().unwrap();
    assert!(world.asked.is_empty());
    assert_eq!(
        (order.url.to_string().as_str(), order.reach),
        (URL, Reach::Public)
    );
    assert!(order.body.is_empty() && order.headers.is_empty());
    world.served(number, document());
    for link in [one, two] {
        let page = world.answer_for(link).unwrap();
        assert_eq!(page.status, 200);
        let text = String::from_utf8(page.body).unwrap();
        assert!(text.contains("Doc") && text.contains(URL));
    }
    let tokens = world.tokens(URL);
    assert_eq!(&*world.claims(&tokens).unwrap().client, URL);
    assert_eq!(world.post("/token", &refresh(URL, &tokens)).status, 200);
    assert!(world.asked.is_empty());
    world.pass(crate::limits::DOCUMENT_SECONDS);
    assert!(world.send(&get_text()).1.is_none());
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn s10_the_redirect_has_to_be_listed() {
    let mut world = World::new();
    let form = but(
        &request_of(URL),
        "redirect_uri",
        Some("https://evil.example/"),
    );
    let text = format!("GET /authorize?{} HTTP/1.1\r\nHost: a\r\n\r\n", form.text());
    let (link, _) = world.send(&text);
    let (number, _) = world.asked.pop().unwrap();
    world.served(number, document());
    let page = world.answer_for(link).unwrap();
    assert_eq!((page.status, page.field("location")), (400, None));
}

#[test]
fn s10_a_link_sends_nobody_to_a_document_client() {
    let mut world = World::new();
    let form = but(&request_of(URL), "response_type", Some("nope"));
    let target = format!("/authorize?{}", form.text());
    let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    let (link, _) = world.send(&text);
    let (number, _) = world.asked.pop().unwrap();
    world.served(number, document());
    let page = world.answer_for(link).unwrap();
    assert_eq!((page.status, page.field("location")), (400, None));
    assert!(
        String::from_utf8(page.body)
            .unwrap()
            .contains("app.example")
    );
}

#[test]
fn s10_a_document_that_cannot_be_used_is_told_on_a_page_and_asked_for_again() {
    let mut world = World::new();
    let other = String::from_utf8(document())
        .unwrap()
        .replace(URL, "https://evil.example/c");
    for body in [other.into_bytes(), b"x".to_vec()] {
        let (link, _) = world.send(&get_text());
        let (number, _) = world.asked.pop().unwrap();
        world.served(number, body);
        assert_eq!(world.answer_for(link).unwrap().status, 400);
    }
    let (link, _) = world.send(&get_text());
    let (number, _) = world.asked.pop().unwrap();
    let head = ResponseHead::of(302, false, &[("Location", "http://169.254.169.254/")]);
    world.act(|server, cx| server.news(cx, number, News::Head(head)));
    assert_eq!(world.given_up, [number]);
    assert_eq!(world.answer_for(link).unwrap().status, 400);
    // What comes of it afterwards concerns nobody.
    world.act(|server, cx| server.news(cx, number, News::End(document())));
    assert!(world.send(&get_text()).1.is_none());
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn s10_a_server_that_hangs_is_given_up() {
    let mut world = World::new();
    let (link, _) = world.send(&get_text());
    let (number, order) = world.asked.pop().unwrap();
    assert_eq!(order.response_ms_max, Some(DOCUMENT_MS_MAX));
    world.pass(DOCUMENT_MS_MAX / 1_000);
    assert_eq!(world.given_up, [number]);
    let page = world.answer_for(link).unwrap();
    assert!(
        String::from_utf8(page.body)
            .unwrap()
            .contains("took too long")
    );
}

#[test]
fn document_waiters_max_answers_503() {
    let mut world = World::new();
    for _ in 0..DOCUMENT_WAITERS_MAX {
        assert!(world.send(&get_text()).1.is_none());
    }
    assert_eq!(world.send(&get_text()).1.unwrap().status, 503);
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn documents_max_makes_room() {
    let mut world = World::new();
    for n in 0..=crate::limits::DOCUMENTS_MAX {
        let url = format!("https://app.example/{n}");
        let target = format!("/authorize?{}", request_of(&url).text());
        world.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let (number, _) = world.asked.pop().unwrap();
        let body = String::from_utf8(document()).unwrap().replace(URL, &url);
        world.served(number, body.into_bytes());
        world.now.tick = world.now.tick.after(1_000);
    }
    let now = world.now.tick;
    let known = |n: usize| {
        world
            .server
            .documents
            .get(&format!("https://app.example/{n}"), now)
    };
    assert!(known(0).is_none() && known(1).is_some());
}
