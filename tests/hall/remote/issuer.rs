//! An authorization server at `as.test`, and what sites do that want its tokens. It believes
//! everybody who comes: what is tested is what the hub does.

use std::collections::BTreeMap;

use onemcp::base::form::Form;
use serde_json::json;

use super::request::Request;
use super::response;
use super::site::SiteState;
use crate::world::World;

/// Its host.
pub(crate) const ISSUER: &str = "as.test";

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuer {
    /// Codes that were not exchanged yet, and the scopes that were agreed to.
    codes: BTreeMap<String, String>,
    /// Access tokens that sites accept, and their scopes.
    pub(crate) live: BTreeMap<String, String>,
    /// Refresh tokens that are good, once.
    pub(crate) refresh: BTreeMap<String, String>,
    minted: usize,
}

/// What a site wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// A tool, and the scope without which it is not called.
    pub(crate) more: Option<(&'static str, &'static str)>,
}

impl SiteState {
    /// It lets in who has a token of the issuer.
    pub(crate) fn guarded(mut self) -> Self {
        self.guard = Some(Guard::default());
        self.https()
    }
}

impl Issuer {
    /// The owner agrees on its page to what he was sent with: where he is sent back to.
    pub(crate) fn agree(&mut self, query: &str) -> String {
        let query = Form::parse(query.as_bytes()).unwrap();
        let get = |name: &str| query.once(name).unwrap().unwrap_or_default().to_owned();
        assert_eq!(get("code_challenge_method"), "S256");
        self.minted += 1;
        let code = format!("code-{}", self.minted);
        self.codes.insert(code.clone(), get("scope"));
        let back = Form::default()
            .with("code", &code)
            .with("state", &get("state"))
            .with("iss", &format!("https://{ISSUER}"));
        format!("{}?{}", get("redirect_uri"), back.text())
    }

    fn answer(&mut self, request: &Request) -> Vec<u8> {
        let name = format!("https://{ISSUER}");
        match (request.method.as_str(), request.target.as_str()) {
            ("GET", "/.well-known/oauth-authorization-server") => document(&json!({
                "issuer": name,
                "authorization_endpoint": format!("{name}/authorize"),
                "token_endpoint": format!("{name}/token"),
                "registration_endpoint": format!("{name}/register"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
                "token_endpoint_auth_methods_supported": ["none"],
            })),
            ("POST", "/register") => {
                let body = json!({"client_id": "us"}).to_string();
                response(201, &[("Content-Type", "application/json")], &body)
            }
            ("POST", "/token") => self.token(&Form::parse(request.body.as_bytes()).unwrap()),
            _ => response(404, &[], ""),
        }
    }

    fn token(&mut self, form: &Form) -> Vec<u8> {
        let scope = match form.get("grant_type") {
            Some("authorization_code") => self.codes.remove(form.get("code").unwrap()),
            _ => self.refresh.remove(form.get("refresh_token").unwrap()),
        };
        let Some(scope) = scope else {
            let body = json!({"error": "invalid_grant"}).to_string();
            return response(400, &[("Content-Type", "application/json")], &body);
        };
        self.minted += 1;
        let (access, refresh) = (
            format!("access-token-{}", self.minted),
            format!("refresh-token-{}", self.minted),
        );
        self.live.insert(access.clone(), scope.clone());
        self.refresh.insert(refresh.clone(), scope.clone());
        document(&json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": refresh, "scope": scope,
        }))
    }
}

fn document(document: &serde_json::Value) -> Vec<u8> {
    let kind = [("Content-Type", "application/json")];
    response(200, &kind, &document.to_string())
}

impl World {
    /// What a request gets instead of what it asked for.
    pub(crate) fn at_the_gate(&mut self, site: usize, request: &Request) -> Option<Vec<u8>> {
        let net = &mut self.net;
        let site = &net.sites[site];
        if site.host == ISSUER {
            return Some(net.issuer.answer(request));
        }
        let guard = site.guard.as_ref()?;
        let place = format!("/.well-known/oauth-protected-resource{}", site.path);
        if request.target == place {
            let resource = site.url();
            let issuers = [format!("https://{ISSUER}")];
            return Some(document(
                &json!({"resource": resource, "authorization_servers": issuers}),
            ));
        }
        let bearer = request.field("authorization").unwrap_or_default();
        let bearer = bearer.strip_prefix("Bearer ").unwrap_or_default();
        let Some(scope) = net.issuer.live.get(bearer) else {
            let field = format!("Bearer resource_metadata=\"https://{}{place}\"", site.host);
            return Some(response(401, &[("WWW-Authenticate", &field)], ""));
        };
        let (tool, wanted) = guard.more?;
        let is_it = request.says() == "tools/call" && request.message()["params"]["name"] == tool;
        let has = scope.split(' ').any(|one| one == wanted);
        if !is_it || has {
            return None;
        }
        let field = format!("Bearer error=\"insufficient_scope\", scope=\"{wanted}\"");
        Some(response(403, &[("WWW-Authenticate", &field)], ""))
    }
}
