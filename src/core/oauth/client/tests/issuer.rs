//! Protected servers and authorization servers, played.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::base::base64;
use crate::base::digest::sha256;
use crate::base::form::Form;
use crate::base::url::Url;
use crate::fetch::{Field, Order};
use crate::http1::head::Method;

/// One authorization server.
pub(super) struct Issuer {
    /// Its name; also where its endpoints are.
    pub(super) name: String,
    /// Members of its metadata that are as they are here; null takes one out.
    pub(super) said: Value,
    /// Members of the answer to a registration.
    pub(super) registers: Value,
    /// Members of the answer with tokens.
    pub(super) grants: Value,
    /// What `iss` is in its answers.
    pub(super) iss: Option<String>,
    /// Refresh tokens are used once.
    pub(super) rotates: bool,
    codes: BTreeMap<String, Form>,
    pub(super) refresh: BTreeSet<String>,
    minted: u32,
}

impl Issuer {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            said: json!({}),
            registers: json!({}),
            grants: json!({}),
            iss: Some(name.to_owned()),
            rotates: true,
            codes: BTreeMap::new(),
            refresh: BTreeSet::new(),
            minted: 0,
        }
    }

    pub(super) fn metadata(&self) -> String {
        let name = &self.name;
        let mut all = json!({
            "issuer": name,
            "authorization_endpoint": format!("{name}/authorize"),
            "token_endpoint": format!("{name}/token"),
            "registration_endpoint": format!("{name}/register"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "token_endpoint_auth_methods_supported": ["none"],
        });
        merge(&mut all, &self.said);
        all.to_string()
    }

    /// The owner agrees: what comes back with the browser.
    pub(super) fn agree(&mut self, query: Form) -> Form {
        assert_eq!(query.get("code_challenge_method"), Some("S256"));
        assert_eq!(query.get("response_type"), Some("code"));
        self.minted += 1;
        let code = format!("code-{}", self.minted);
        let mut back = Form::default()
            .with("code", &code)
            .with("state", query.get("state").unwrap());
        if let Some(iss) = &self.iss {
            back = back.with("iss", iss);
        }
        self.codes.insert(code, query);
        back
    }

    pub(super) fn register(&mut self) -> String {
        self.minted += 1;
        let mut all = json!({"client_id": format!("client-{}", self.minted)});
        merge(&mut all, &self.registers);
        all.to_string()
    }

    pub(super) fn token(&mut self, form: &Form) -> (u16, String) {
        let no = |code: &str| (400, json!({ "error": code }).to_string());
        match form.get("grant_type") {
            Some("authorization_code") => {
                let Some(asked) = self.codes.remove(form.get("code").unwrap()) else {
                    return no("invalid_grant");
                };
                let verifier = form.get("code_verifier").unwrap().as_bytes();
                let hash = base64::encode_url(&sha256(&[verifier]));
                assert_eq!(asked.get("code_challenge"), Some(hash.as_str()));
                assert_eq!(asked.get("redirect_uri"), form.get("redirect_uri"));
                assert_eq!(asked.get("resource"), form.get("resource"));
            }
            Some("refresh_token") => {
                let token = form.get("refresh_token").unwrap();
                let is_known = if self.rotates {
                    self.refresh.remove(token)
                } else {
                    self.refresh.contains(token)
                };
                if !is_known {
                    return no("invalid_grant");
                }
            }
            _ => return no("unsupported_grant_type"),
        }
        self.minted += 1;
        let refresh = format!("refresh-{}", self.minted);
        let mut all = json!({
            "access_token": format!("access-{}", self.minted),
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": refresh,
        });
        merge(&mut all, &self.grants);
        if all.get("refresh_token").is_some() {
            self.refresh.insert(refresh);
        }
        (200, all.to_string())
    }
}

fn merge(all: &mut Value, other: &Value) {
    let all = all.as_object_mut().unwrap();
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
}

/// Everybody whom a keyring may ask.
#[derive(Default)]
pub(super) struct Net {
    /// Documents at URLs.
    pub(super) documents: BTreeMap<String, (u16, String)>,
    pub(super) issuers: Vec<Issuer>,
    /// What was asked: method, URL, and for posts the fields that count.
    pub(super) log: Vec<String>,
    /// The bodies of posts to token endpoints, and their `Authorization`.
    pub(super) tokens: Vec<(Form, Option<String>)>,
    /// The bodies of registrations.
    pub(super) registrations: Vec<Value>,
    /// Everybody is away.
    pub(super) is_down: bool,
}

impl Net {
    pub(super) fn answer(&mut self, order: &Order) -> Result<(u16, String), String> {
        let url = order.url.to_string();
        self.log.push(format!("{} {url}", order.method.name()));
        if self.is_down {
            return Err(format!("{}: connection refused", order.url.origin()));
        }
        if let Some(known) = self.documents.get(&url) {
            return Ok(known.clone());
        }
        let body = String::from_utf8(order.body.clone()).unwrap();
        for issuer in &mut self.issuers {
            let own = |path: &str| url == format!("{}{path}", issuer.name);
            if order.method == Method::Post && own("/token") {
                let form = Form::parse(body.as_bytes()).unwrap();
                let answer = issuer.token(&form);
                self.tokens.push((form, authorization(order)));
                return Ok(answer);
            }
            if order.method == Method::Post && own("/register") {
                self.registrations
                    .push(serde_json::from_str(&body).unwrap());
                return Ok((201, issuer.register()));
            }
            if order.method == Method::Get && places(&issuer.name).contains(&url) {
                return Ok((200, issuer.metadata()));
            }
        }
        Ok((404, "not here".to_owned()))
    }

    pub(super) fn issuer(&mut self, name: &str) -> &mut Issuer {
        let found = self.issuers.iter_mut().find(|one| one.name == name);
        found.unwrap()
    }

    /// Puts the metadata of a protected server at its path.
    pub(super) fn protect(&mut self, server: &str, issuers: &[&str]) {
        let document = json!({"resource": server, "authorization_servers": issuers});
        let url = Url::parse(server).unwrap();
        let path = url.path().trim_end_matches('/');
        let place = format!(
            "{}/.well-known/oauth-protected-resource{path}",
            url.origin()
        );
        self.documents.insert(place, (200, document.to_string()));
    }

    /// How many requests were of this kind.
    pub(super) fn count(&self, what: &str) -> usize {
        self.log.iter().filter(|line| line.contains(what)).count()
    }
}

/// Where an issuer without a path has its metadata.
fn places(name: &str) -> [String; 1] {
    let url = Url::parse(name).unwrap();
    let path = url.path().trim_end_matches('/');
    [format!(
        "{}/.well-known/oauth-authorization-server{path}",
        url.origin()
    )]
}

fn authorization(order: &Order) -> Option<String> {
    let mut fields = order.fields.iter();
    let found = fields.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    found.map(|(_, value)| match value {
        Field::Plain(text) => text.to_string(),
        Field::Secret(secret) => secret.reveal().to_owned(),
    })
}
