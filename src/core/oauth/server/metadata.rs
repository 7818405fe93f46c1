//! The documents by which clients find their way: what this resource is (RFC 9728, protocol R5) and
//! what this authorization server can do (RFC 8414, S1). Open to everybody, pages of any origin
//! included.

use serde::Serialize;

use crate::language::WebRequest;
use crate::principal::{MCP, TAG};
use crate::settings::Settings;
use crate::web::answer::Answer;
use crate::web::guard::ANY_ORIGIN;
use crate::web::origin::asked;

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const SERVER: &str = "/.well-known/oauth-authorization-server";

#[derive(Serialize)]
struct ResourceDocument<'a> {
    resource: String,
    authorization_servers: [&'a str; 1],
    /// Only what everybody needs: clients ask for all that stands here.
    scopes_supported: [&'a str; 1],
    bearer_methods_supported: [&'a str; 1],
    resource_name: &'a str,
}

#[derive(Serialize)]
struct ServerDocument<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    scopes_supported: Vec<String>,
    response_types_supported: [&'a str; 1],
    response_modes_supported: [&'a str; 1],
    grant_types_supported: [&'a str; 2],
    token_endpoint_auth_methods_supported: [&'a str; 3],
    revocation_endpoint_auth_methods_supported: [&'a str; 3],
    code_challenge_methods_supported: [&'a str; 1],
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
}

const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

/// Answers a path below `/.well-known/`.
pub(super) fn answer(settings: &Settings, tags: &[String], request: &WebRequest) -> Answer {
    let path = request.head.path();
    let own = asked(settings, &request.head.headers);
    if let Some("" | "/" | "/mcp" | "/mcp/" | "/sse" | "/sse/") = path.strip_prefix(RESOURCE)
        && settings.auth
    {
        // The identifier from which the path was formed: what stands behind the well-known part
        // stood behind the host.
        let resource = path.strip_prefix(RESOURCE).unwrap_or_default();
        let query = request.head.query();
        let query = query.map(|query| ["?", query].concat());
        return document(&ResourceDocument {
            resource: [own.as_str(), resource, query.as_deref().unwrap_or_default()].concat(),
            authorization_servers: [&own],
            scopes_supported: [MCP],
            bearer_methods_supported: ["header"],
            resource_name: "1mcp",
        });
    }
    if path == SERVER && settings.auth {
        return document(&server(&own, tags));
    }
    // A client that looks for a path-inserted form goes on to the root; an answer there would have
    // another issuer than the one it looks for.
    let hint = if settings.auth {
        "there are oauth-protected-resource and oauth-authorization-server"
    } else {
        "it comes with --enable-auth"
    };
    open(Answer::error(404, "no such document", hint))
}

fn server<'a>(own: &'a str, tags: &[String]) -> ServerDocument<'a> {
    let at = |path: &str| [own, path].concat();
    let tags = tags.iter().map(|tag| format!("{TAG}{tag}"));
    ServerDocument {
        issuer: own,
        authorization_endpoint: at("/authorize"),
        token_endpoint: at("/token"),
        registration_endpoint: at("/register"),
        revocation_endpoint: at("/revoke"),
        scopes_supported: std::iter::once(MCP.to_owned()).chain(tags).collect(),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        token_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_methods_supported: METHODS,
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: true,
    }
}

fn document(body: &impl Serialize) -> Answer {
    let answer = Answer {
        status: 200,
        headers: Vec::new(),
        // Nothing that we write can fail to be written.
        body: serde_json::to_vec(body).unwrap_or_default(),
    };
    open(answer)
        .with("Content-Type", "application/json")
        .with("Cache-Control", "max-age=60")
        .with("X-Content-Type-Options", "nosniff")
}

fn open(answer: Answer) -> Answer {
    let (name, value) = ANY_ORIGIN;
    answer.with(name, value)
}
