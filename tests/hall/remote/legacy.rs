//! Sites of the revisions with sessions: Streamable HTTP, and HTTP+SSE before it.

use onemcp::links::LinkKey;
use serde_json::Value;

use super::request::Request;
use super::site::{Lost, Open};
use super::{chunk, event, response, stream_head};
use crate::world::World;

const SESSION: &str = "mcp-session-id";

impl World {
    /// A request of Streamable HTTP.
    pub(crate) fn serve_legacy(&mut self, link: LinkKey, request: Request) {
        let site = self.site_of(link);
        if request.target != site.path {
            return self.responds(link, &response(404, &[], ""));
        }
        match request.method.as_str() {
            "GET" => self.serve_get(link, request),
            "DELETE" => {
                let session = request.field(SESSION).unwrap_or_default().to_owned();
                let site = self.site_of(link);
                let known = site.sessions.contains(&session);
                site.sessions.retain(|one| *one != session);
                let status = if known { 200 } else { 404 };
                self.responds(link, &response(status, &[], ""));
            }
            "POST" => self.serve_post(link, request),
            _ => self.responds(link, &response(405, &[], "")),
        }
    }

    fn serve_get(&mut self, link: LinkKey, request: Request) {
        let accept = request.field("accept").unwrap_or_default();
        assert!(accept.contains("text/event-stream"), "{request:?}");
        if let Some(refusal) = self.unknown_session(link, &request) {
            return self.responds(link, &refusal);
        }
        if request.field("last-event-id").is_some() {
            return self.leaves_to_test(link, request);
        }
        if !self.site_of(link).listens {
            return self.responds(link, &response(405, &[], ""));
        }
        self.opens_stream(link, &request, None);
    }

    /// An event stream begins.
    pub(crate) fn opens_stream(
        &mut self,
        link: LinkKey,
        request: &Request,
        listens: Option<(Value, Value)>,
    ) {
        let session = request.field(SESSION).unwrap_or_default().to_owned();
        self.begins(link, &[]);
        self.site_of(link).streams.push(Open {
            link,
            session,
            listens,
        });
    }

    /// The head of an event stream.
    pub(crate) fn begins(&mut self, link: LinkKey, fields: &[(&str, &str)]) {
        self.net.conns.get_mut(&link).unwrap().begun = true;
        self.says(link, &stream_head(fields), super::End::Open);
    }

    fn serve_post(&mut self, link: LinkKey, request: Request) {
        let accept = request.field("accept").unwrap_or_default();
        assert!(
            accept.contains("application/json") && accept.contains("text/event-stream"),
            "{request:?}"
        );
        assert_eq!(request.field("content-type"), Some("application/json"));
        let method = request.says();
        if method == "initialize" {
            assert_eq!(request.field(SESSION), None, "{request:?}");
            return self.initialized_by(link, &request);
        }
        if method == "server/discover" {
            // As the most used library does with whatever has no session.
            let body = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#;
            return self.responds(link, &response(400, &[], body));
        }
        if let Some(refusal) = self.unknown_session(link, &request) {
            return self.responds(link, &refusal);
        }
        let version = request.field("mcp-protocol-version");
        let spoken = self.site_of(link).script.version.clone();
        if spoken.as_str() >= "2025-06-18" {
            assert_eq!(version, Some(spoken.as_str()), "{request:?}");
        }
        self.serve_message(link, request);
    }

    /// What is said to a session that is not known.
    fn unknown_session(&mut self, link: LinkKey, request: &Request) -> Option<Vec<u8>> {
        let site = self.site_of(link);
        if !site.mints {
            assert_eq!(request.field(SESSION), None, "{request:?}");
            return None;
        }
        let Some(session) = request.field(SESSION) else {
            return Some(response(
                400,
                &[],
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Mcp-Session-Id header is required"},"id":null}"#,
            ));
        };
        if site.sessions.iter().any(|one| one == session) {
            return None;
        }
        Some(match site.lost_as {
            Lost::NotFound => response(
                404,
                &[],
                r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#,
            ),
            Lost::BadRequest => response(
                400,
                &[],
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
            ),
            Lost::Unauthorized => response(401, &[], ""),
        })
    }

    fn initialized_by(&mut self, link: LinkKey, request: &Request) {
        let message = request.message();
        let Some(answer) = self.site_of(link).script.answer("initialize", &message) else {
            return;
        };
        let body = answered(&message["id"], &answer);
        let site = self.site_of(link);
        let session = if site.mints {
            site.mint()
        } else {
            String::new()
        };
        let fields = [("Mcp-Session-Id", session.as_str())];
        let fields = if site.mints { &fields[..] } else { &[] };
        if !self.site_of(link).streaming {
            return self.responds(link, &response(200, fields, &body));
        }
        self.begins(link, fields);
        self.ends_with(link, &body);
    }

    /// One message, its session being known.
    pub(crate) fn serve_message(&mut self, link: LinkKey, request: Request) {
        let message = request.message();
        let method = request.says();
        let site = self.site_of(link);
        if method.is_empty() {
            site.answers.push(request.body);
            return self.responds(link, &response(202, &[], ""));
        }
        if message.get("id").is_none() {
            self.responds(link, &response(202, &[], ""));
            if method != "notifications/initialized" {
                self.leaves_to_test(link, request);
            }
            return;
        }
        let answer = match site.obliging && method == "tools/call" {
            true => Some(Ok(r#"{"content":[],"resultType":"complete"}"#.to_owned())),
            false => site.script.answer(&method, &message),
        };
        let Some(answer) = answer else {
            return self.leaves_to_test(link, request);
        };
        let modern = site.script.is_modern();
        let body = answered(&message["id"], &answer);
        if site.streaming {
            self.begins(link, &[]);
            return self.ends_with(link, &body);
        }
        let unknown = modern && answer.is_err_and(|error| error.contains("-32601"));
        let status = if unknown { 404 } else { 200 };
        self.responds(link, &response(status, &[], &body));
    }

    /// The last event of a stream that answers a request.
    pub(crate) fn ends_with(&mut self, link: LinkKey, message: &str) {
        let mut bytes = chunk(&event(None, message));
        bytes.extend(chunk(""));
        self.net.conns.get_mut(&link).unwrap().begun = false;
        self.responds(link, &bytes);
    }

    // --- HTTP+SSE ---

    /// A request of HTTP+SSE.
    pub(crate) fn serve_old_sse(&mut self, link: LinkKey, request: Request) {
        let site = self.site_of(link);
        let to = request.target.strip_prefix("/messages?sessionId=");
        if request.method == "GET" && request.target == site.path {
            let session = site.mint();
            self.begins(link, &[]);
            let endpoint = format!("event: endpoint\ndata: /messages?sessionId={session}\n\n");
            self.site_of(link).streams.push(Open {
                link,
                session,
                listens: None,
            });
            return self.says(link, &chunk(&endpoint), super::End::Open);
        }
        let (Some(session), "POST") = (to, request.method.as_str()) else {
            let status = if request.target == site.path {
                405
            } else {
                404
            };
            return self.responds(link, &response(status, &[], ""));
        };
        let stream = site.streams.iter().find(|stream| stream.session == session);
        let Some(stream) = stream.map(|stream| stream.link) else {
            return self.responds(link, &response(404, &[], "no such session"));
        };
        let message = request.message();
        let method = request.says();
        self.responds(link, &response(202, &[], "Accepted"));
        let site = self.site_of(link);
        if method.is_empty() {
            return site.answers.push(request.body);
        }
        let answer = match (message.get("id"), site.obliging && method == "tools/call") {
            (None, _) => None,
            (Some(_), true) => Some(Ok(r#"{"content":[]}"#.to_owned())),
            (Some(_), false) => site.script.answer(&method, &message),
        };
        match answer {
            Some(answer) => {
                let body = answered(&message["id"], &answer);
                self.says(stream, &chunk(&event(None, &body)), super::End::Open);
            }
            None if method == "notifications/initialized" => {}
            None => {
                self.leaves_to_test(link, request);
                let asked = self.site_of(link).seen.back_mut();
                asked.unwrap().on = Some(stream);
            }
        }
    }
}

/// The answer to a request.
pub(crate) fn answered(id: &Value, answer: &Result<String, String>) -> String {
    match answer {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err(error) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
    }
}
