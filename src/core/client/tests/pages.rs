//! Requests outside MCP are told to the hall and answered by it.

use super::kit::*;
use crate::language::{ClientEvent, Page};

#[test]
fn contract_5_pages_are_told_and_answered_head_without_a_body() {
    for method in ["GET", "HEAD"] {
        let mut kit = Kit::default();
        let (link, told, early) = kit.ask_http(&http(method, "/health/mcp/files", &[], ""));
        assert_eq!(early.status, 0);
        let ClientEvent::Page { link: of, page, .. } = &told[0].event else {
            panic!();
        };
        assert_eq!(
            (*of, page),
            (link, &Page::Servers(Some("files".to_owned())))
        );
        let answer = |body: &str| crate::web::answer::Answer::json(503, body.into());
        let body = answer(r#"{"status":"ok"}"#);
        kit.clients.page(&mut kit.world.cx(), link, &body);
        let raw = kit.take(link);
        assert!(raw.starts_with("HTTP/1.1 503 "));
        assert!(raw.contains("Cache-Control: no-store\r\n"));
        assert!(raw.contains("Content-Length: 15\r\n"));
        assert_eq!(raw.ends_with(r#"{"status":"ok"}"#), method == "GET");
        // It is answered once.
        kit.clients.page(&mut kit.world.cx(), link, &answer("x"));
        assert_eq!(kit.take(link), "");
    }
}

#[test]
fn contract_5_the_start_page_needs_nobody() {
    let mut kit = Kit::default();
    let (_, told, answer) = kit.ask_http(&http("GET", "/", &[("Accept", "text/html")], ""));
    assert!(told.is_empty());
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
}
