//! Authorizations under way: from the click on Authorize until the browser comes back (protocol
//! O8). Each is bound to the browser that began it and to the issuer that it was sent to; what
//! comes back is looked at in this order: state, browser, path, issuer, and only then anything
//! else. The path, since many an issuer does not say who it is, and one that sends browsers on to
//! another would be taken for that.

use crate::base::base64;
use crate::base::digest::sha256;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::entropy::Entropy;
use crate::limits::{FLOW_MS_MAX, FLOWS_MAX};
use crate::now::Tick;
use crate::oauth::client::discovery::Found;
use crate::oauth::client::documents::plain;
use crate::oauth::client::place::way_back;
use crate::oauth::client::registration::Client;

/// One authorization under way.
#[derive(Debug)]
pub(super) struct Flow {
    /// A digest of `state`: so that comparing tells nothing of it by its duration.
    state: [u8; 32],
    browser: [u8; 32],
    begun: Tick,
    /// Which account.
    pub(super) account: u32,
    /// Proves at the token endpoint that it was us who asked (RFC 7636).
    pub(super) verifier: Secret,
    /// Whom the browser was sent to.
    pub(super) found: Found,
    /// As whom.
    pub(super) client: Client,
    /// What was asked for.
    pub(super) scopes: Vec<String>,
}

/// What a browser that comes back gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody knows the state: too old, used before, or made up.
    Unknown,
    /// It is another browser than the one that began.
    OtherBrowser,
    /// The answer is of another issuer (O8); nothing it says is shown. It ends the flow.
    OtherIssuer {
        /// Whose account.
        account: u32,
    },
    /// The issuer says no. It ends the flow.
    Denied {
        /// Whose account.
        account: u32,
        /// In its words, fit to be shown.
        why: String,
    },
    /// Parameters are missing or stand twice.
    Malformed,
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Flows(Vec<Flow>);

impl Flows {
    /// Begins one; tells where the browser is to go.
    pub(super) fn begin(
        &mut self,
        entropy: &mut Entropy,
        now: Tick,
        browser: [u8; 32],
        account: u32,
        (found, client, scopes): (Found, Client, Vec<String>),
    ) -> String {
        self.expire(now);
        if self.0.len() >= FLOWS_MAX {
            self.0.remove(0);
        }
        let state = base64::encode_url(&entropy.block());
        let verifier = base64::encode_url(&entropy.block());
        let url = authorization_url(&found, &client, &scopes, &state, &verifier);
        self.0.push(Flow {
            state: sha256(&[state.as_bytes()]),
            browser,
            begun: now,
            account,
            verifier: Secret::from(verifier),
            found,
            client,
            scopes,
        });
        url
    }

    /// A browser comes back. The flow is over with whatever is told, but for
    /// [`Refusal::OtherBrowser`]: a stranger's browser ends nobody's.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(super) fn finish(
        &mut self,
        now: Tick,
        browser: [u8; 32],
        (path, query): (&str, &Form),
    ) -> Result<(Flow, Secret), Refusal> {
        self.expire(now);
        let state = query.once("state").map_err(|_| Refusal::Malformed)?;
        let state = sha256(&[state.ok_or(Refusal::Unknown)?.as_bytes()]);
        let at = self.0.iter().position(|flow| flow.state == state);
        let at = at.ok_or(Refusal::Unknown)?;
        if self.0.get(at).is_none_or(|flow| flow.browser != browser) {
            return Err(Refusal::OtherBrowser);
        }
        let flow = self.0.remove(at);
        let account = flow.account;
        let iss = query
            .once("iss")
            .map_err(|_| Refusal::OtherIssuer { account })?;
        let is_there = path == way_back(&flow.client.redirect, &flow.found.issuer);
        let is_it = match iss {
            Some(iss) => iss == flow.found.issuer,
            None => !flow.found.says_iss,
        };
        if !is_there || !is_it {
            return Err(Refusal::OtherIssuer { account });
        }
        let once = |name| query.once(name).map_err(|_| Refusal::Malformed);
        if let Some(code) = once("error")? {
            let text = once("error_description")?.unwrap_or_default();
            let why = [plain(code), plain(text)].join(" ");
            let why = why.trim().to_owned();
            return Err(Refusal::Denied { account, why });
        }
        let code = once("code")?.filter(|code| !code.is_empty());
        let code = code.ok_or(Refusal::Malformed)?;
        Ok((flow, Secret::from(code)))
    }

    /// Forgets those of an account.
    pub(super) fn forget(&mut self, account: u32) {
        self.0.retain(|flow| flow.account != account);
    }

    /// Forgets those that nobody finished in time.
    pub(super) fn expire(&mut self, now: Tick) {
        self.0.retain(|flow| now.since(flow.begun) < FLOW_MS_MAX);
    }

    /// When the oldest is forgotten.
    pub(super) fn next(&self) -> Option<Tick> {
        self.0.first().map(|flow| flow.begun.after(FLOW_MS_MAX))
    }

    /// Whether any is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn authorization_url(
    found: &Found,
    client: &Client,
    scopes: &[String],
    state: &str,
    verifier: &str,
) -> String {
    let challenge = base64::encode_url(&sha256(&[verifier.as_bytes()]));
    let mut form = Form::default()
        .with("response_type", "code")
        .with("client_id", &client.id)
        .with("redirect_uri", &client.redirect)
        .with("state", state)
        .with("code_challenge", &challenge)
        .with("code_challenge_method", "S256")
        .with("resource", &found.resource);
    if !scopes.is_empty() {
        form = form.with("scope", &scopes.join(" "));
    }
    if scopes.iter().any(|scope| scope == "offline_access") {
        // OpenID Connect Core section 11: without it, it is not granted.
        form = form.with("prompt", "consent");
    }
    let url = &found.authorize;
    let join = if url.query().is_some() { '&' } else { '?' };
    format!("{url}{join}{}", form.text())
}
