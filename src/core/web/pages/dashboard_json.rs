//! The dashboard for programs. What is not known is absent.

use crate::instance::survey::State;
use crate::json::write::{object, string};
use crate::web::answer::Answer;
use crate::web::pages::dashboard::{DashboardView, ServerCard};

/// The same as the page tells; without names for its buttons.
#[must_use]
pub fn dashboard_json(view: &DashboardView) -> Answer {
    let servers: Vec<String> = view.servers.iter().map(server).collect();
    let text = object([
        ("version", Some(string(&view.version))),
        ("uptimeMs", Some(view.uptime_ms.to_string())),
        ("sessions", Some(view.sessions.to_string())),
        ("loggedIn", Some(view.logged_in.to_string())),
        ("servers", Some(format!("[{}]", servers.join(",")))),
    ]);
    Answer::json(200, format!("{text}\n").into_bytes())
}

fn server(card: &ServerCard) -> String {
    let text = |text: &Option<String>| text.as_deref().map(string);
    let count = |count: Option<usize>| count.map(|count| count.to_string());
    let retry = match card.state {
        State::Restarting { in_ms } => Some(in_ms.to_string()),
        _ => None,
    };
    object([
        ("name", Some(string(&card.name))),
        ("state", Some(string(card.state.word()))),
        ("retryInMs", retry),
        ("url", text(&card.url)),
        ("why", text(&card.why)),
        ("lastError", text(&card.last_error)),
        ("tools", count(card.tools)),
        ("prompts", count(card.prompts)),
        ("resources", count(card.resources)),
        ("restarts", Some(card.restarts.to_string())),
        ("uptimeMs", card.uptime_ms.map(|ms| ms.to_string())),
        ("authorize", card.authorize.then(|| "true".to_owned())),
        ("issuer", text(&card.issuer)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_programs_get_json_with_what_is_known() {
        let view = DashboardView {
            version: "1\"2".to_owned(),
            servers: vec![
                ServerCard {
                    why: Some("a\nb".to_owned()),
                    tools: Some(0),
                    authorize: true,
                    issuer: Some("a.b".to_owned()),
                    ..ServerCard::new("x", State::Restarting { in_ms: 5 })
                },
                ServerCard::new("y", State::Disabled),
            ],
            ..DashboardView::default()
        };
        let answer = dashboard_json(&view);
        assert_eq!(answer.field("Content-Type"), Some("application/json"));
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            "{\"version\":\"1\\\"2\",\"uptimeMs\":0,\"sessions\":0,\"loggedIn\":false,\"servers\":\
             [{\"name\":\"x\",\"state\":\"restarting\",\"retryInMs\":5,\"why\":\"a\\nb\",\"tools\":0,\
             \"restarts\":0,\"authorize\":true,\"issuer\":\"a.b\"},\
             {\"name\":\"y\",\"state\":\"disabled\",\"restarts\":0}]}\n"
        );
    }
}
