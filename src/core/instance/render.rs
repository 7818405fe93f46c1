//! The answer to a question: one line of JSON. What is not known is absent.

use crate::instance::survey::{ServerSurvey, State, Survey};
use crate::json::write;

/// The answer to `status`.
#[must_use]
pub fn status(survey: &Survey) -> Vec<u8> {
    let servers: Vec<String> = survey.servers.iter().map(server).collect();
    let transport = if survey.stdio { "stdio" } else { "http" };
    let members = [
        ("version", Some(write::string(&survey.version))),
        ("pid", Some(survey.pid.to_string())),
        ("transport", Some(write::string(transport))),
        ("url", survey.url.as_deref().map(write::string)),
        ("startedAt", Some(survey.started_unix_s.to_string())),
        ("uptimeMs", Some(survey.uptime_ms.to_string())),
        ("configFile", Some(write::string(&survey.config_file))),
        ("sessions", Some(survey.sessions.to_string())),
        ("calls", Some(survey.calls.to_string())),
        ("servers", Some(array(&servers))),
    ];
    format!("{}\n", write::object(members)).into_bytes()
}

/// The answer to what is no question.
#[must_use]
pub fn error(why: &str) -> Vec<u8> {
    format!("{{\"error\":{}}}\n", write::string(why)).into_bytes()
}

/// One server.
#[must_use]
pub fn server(server: &ServerSurvey) -> String {
    let text = |text: &Option<String>| text.as_deref().map(write::string);
    let count = |count: Option<usize>| count.map(|count| count.to_string());
    let retry = match server.state {
        State::Restarting { in_ms } => Some(in_ms.to_string()),
        _ => None,
    };
    let strings = |lines: &[String]| {
        let lines: Vec<String> = lines.iter().map(|line| write::string(line)).collect();
        array(&lines)
    };
    let pids: Vec<String> = server.pids.iter().map(u32::to_string).collect();
    write::object([
        ("name", Some(write::string(&server.name))),
        ("state", Some(write::string(server.state.word()))),
        ("url", text(&server.url)),
        ("why", text(&server.why)),
        ("retryInMs", retry),
        ("authorizeUrl", text(&server.authorize_url)),
        ("tools", count(server.tools)),
        ("prompts", count(server.prompts)),
        ("resources", count(server.resources)),
        ("pid", pids.first().cloned()),
        ("pids", (pids.len() > 1).then(|| array(&pids))),
        ("uptimeMs", server.uptime_ms.map(|ms| ms.to_string())),
        ("restarts", Some(server.restarts.to_string())),
        ("lastError", text(&server.last_error)),
        ("serverName", text(&server.server_name)),
        ("serverVersion", text(&server.server_version)),
        ("protocolVersion", server.protocol.map(write::string)),
        ("sessions", Some(server.sessions.to_string())),
        (
            "stderr",
            (!server.stderr.is_empty()).then(|| strings(&server.stderr)),
        ),
    ])
}

fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_absent_and_the_answer_is_one_line_of_json() {
        let mut full = ServerSurvey::new("a", State::Restarting { in_ms: 900 });
        full.why = Some("exit code 1: \"no\"\n".to_owned());
        full.pids = vec![7, 8];
        full.tools = Some(0);
        full.stderr = vec!["x".to_owned()];
        let mut awaits = ServerSurvey::new("c", State::Awaiting);
        awaits.authorize_url = Some("http://h/oauth/connect/c".to_owned());
        let survey = Survey {
            version: "1".to_owned(),
            config_file: "/c/\"m\".json".to_owned(),
            servers: vec![full, ServerSurvey::new("b", State::Unselected), awaits],
            ..Survey::default()
        };
        let text = String::from_utf8(status(&survey)).unwrap();
        assert!(crate::json::span::validate(text.as_bytes()).is_ok());
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains(r#"{"name":"b","state":"unselected","restarts":0,"sessions":0}"#));
        assert!(text.contains(r#""retryInMs":900,"tools":0,"pid":7,"pids":[7,8],"#));
        let awaits = "\"state\":\"awaiting_oauth\",\"authorizeUrl\":\"http://h/oauth/connect/c\"";
        assert!(text.contains(awaits));
        assert!(!text.contains("\"url\""));
    }

    #[test]
    fn an_error_is_one_line_of_json() {
        assert_eq!(error("a \"b\""), b"{\"error\":\"a \\\"b\\\"\"}\n");
    }
}
