//! `/token` (protocol S6-S8): a code or a refresh token comes in, an access token goes out, once
//! the record has it.

use super::changes::{Change, Done, logged, refused};
use super::codes::{CodeKey, Consent, Shown, Worthless};
use super::credentials::{self, FromClient};
use super::errors::{self, Code};
use super::record::{Digest, Grant, Record, Refresh, Turn};
use super::{Server, audience, tokens};
use crate::cx::Cx;
use crate::effect::Level;
use crate::language::WebRequest;
use crate::limits::{ACCESS_SECONDS, DOOMED_MAX, REFRESH_SECONDS};
use crate::links::LinkKey;
use crate::oauth::Step;
use crate::principal::{GrantId, Scopes};
use crate::web::answer::Answer;
use crate::web::origin;

const BAD_CODE: &str = "the code is not valid, or not for this client, redirect_uri and verifier";
const BAD_REFRESH: &str = "the refresh token is not valid";

impl Server {
    /// POST `/token`.
    pub(super) fn token(&mut self, cx: &mut Cx<'_>, link: LinkKey, request: &WebRequest) -> Step {
        let asked = match credentials::read(&self.record, request, cx.now.wall) {
            Ok(asked) => asked,
            Err(answer) => return Step::Answer(answer),
        };
        let known_as = origin::asked(&self.settings, &request.head.headers);
        if !audience::is_ours(&self.settings, &known_as, &asked.form) {
            let why = "resource is not this gateway";
            return refuse(Code::InvalidTarget, why);
        }
        match asked.form.get("grant_type") {
            Some("authorization_code") => self.redeem(cx, link, &asked),
            Some("refresh_token") => self.refresh(cx, link, asked),
            Some(_) => refuse(
                Code::UnsupportedGrantType,
                "there are authorization_code and refresh_token",
            ),
            None => refuse(Code::InvalidRequest, "grant_type is missing"),
        }
    }

    fn redeem(&mut self, cx: &mut Cx<'_>, link: LinkKey, asked: &FromClient) -> Step {
        let form = &asked.form;
        let (Some(code), Some(verifier)) = (form.get("code"), form.get("code_verifier")) else {
            return refuse(Code::InvalidRequest, "code or code_verifier is missing");
        };
        if self.doomed.len() >= DOOMED_MAX {
            return Step::Answer(errors::busy());
        }
        let mut id = [0; 16];
        id.iter_mut()
            .zip(cx.entropy.block())
            .for_each(|(to, from)| *to = from);
        let grant = GrantId(id);
        let shown = Shown {
            code,
            client: &asked.client,
            redirect: form.get("redirect_uri"),
            verifier,
        };
        match self.codes.redeem(shown, grant, cx.now.tick) {
            Ok((code, consent)) => {
                let consent = Box::new(consent);
                let change = Change::Redeem {
                    link,
                    code,
                    grant,
                    consent,
                };
                self.change(cx, change)
            }
            Err(worthless) => {
                if let Worthless::Reused(grant) = worthless {
                    cx.log(Level::Warn, || {
                        "auth: a code was used twice; what was given for it is revoked".to_owned()
                    });
                    self.doom(cx, grant);
                }
                refuse(Code::InvalidGrant, BAD_CODE)
            }
        }
    }

    fn refresh(&mut self, cx: &mut Cx<'_>, link: LinkKey, asked: FromClient) -> Step {
        let Some(token) = asked.form.get("refresh_token") else {
            return refuse(Code::InvalidRequest, "refresh_token is missing");
        };
        // The disk is not bothered with what cannot be ours.
        let key = self.record.refresh_key.as_ref();
        if key
            .and_then(|key| tokens::read_refresh(key, token))
            .is_none()
        {
            return refuse(Code::InvalidGrant, BAD_REFRESH);
        }
        let scopes = asked.form.get("scope").and_then(Scopes::known);
        let token = token.to_owned();
        let client = asked.client;
        self.change(
            cx,
            Change::Refresh {
                link,
                client,
                token,
                scopes,
            },
        )
    }

    pub(super) fn apply_redeem(
        &self,
        cx: &mut Cx<'_>,
        record: &mut Record,
        (link, code): (LinkKey, CodeKey),
        id: GrantId,
        consent: Consent,
    ) -> Done {
        let now = cx.now.wall;
        let is_gone = |record: &Record| record.client(&consent.client, now).is_none();
        if !super::documents::is_document(&consent.client) && is_gone(record) {
            let why = "the client is unknown, or its secret is wrong";
            return refused(link, errors::error(Code::InvalidClient, why));
        }
        let key = record.refresh_key.as_ref().filter(|_| consent.refreshes);
        let refresh = key.map(|key| tokens::make_refresh(key, id, 0, cx.entropy));
        let lasts = if refresh.is_some() {
            REFRESH_SECONDS
        } else {
            ACCESS_SECONDS
        };
        let grant = Grant {
            id,
            client: consent.client,
            client_name: consent.client_name,
            scopes: consent.scopes,
            created: now,
            used: now,
            expires: now.after(lasts),
            refresh: refresh.as_ref().map(|(_, digest)| Refresh {
                serial: 0,
                digest: digest.clone(),
            }),
        };
        let log = format!(
            "auth: let in {} scopes={}",
            logged(&grant.client, &grant.client_name),
            grant.scopes.text()
        );
        let token = refresh.as_ref().map(|(token, _)| token);
        let both = (&grant, &grant.scopes);
        let answer = tokens::answer(record, &self.issuer, both, token, now, cx.entropy);
        record.add_grant(grant, now);
        Done {
            link: Some(link),
            answer: Some(answer.unwrap_or_else(errors::disk)),
            changed: true,
            code: Some(code),
            log: Some((Level::Info, log)),
        }
    }

    pub(super) fn apply_refresh(
        &self,
        cx: &mut Cx<'_>,
        record: &mut Record,
        link: LinkKey,
        (client, token): (&str, &str),
        scopes: Option<&Scopes>,
    ) -> Done {
        let now = cx.now.wall;
        let bad = || refused(link, errors::error(Code::InvalidGrant, BAD_REFRESH));
        let Some(key) = record.refresh_key.clone() else {
            return bad();
        };
        let Some((id, serial)) = tokens::read_refresh(&key, token) else {
            return bad();
        };
        let narrower = |grant: &Grant| match scopes {
            Some(asked) => grant.scopes.covers(asked),
            None => true,
        };
        if record.grant(id, now).is_some_and(|grant| !narrower(grant)) {
            let why = "the grant does not cover this scope";
            return refused(link, errors::error(Code::InvalidScope, why));
        }
        let (next, digest) = tokens::make_refresh(&key, id, serial.saturating_add(1), cx.entropy);
        let shown = (serial, &Digest::of(token));
        match record.turn_refresh(id, client, shown, digest, now) {
            Turn::Unknown => bad(),
            Turn::Replayed => Done {
                changed: true,
                log: Some((
                    Level::Warn,
                    format!(
                        "auth: an old refresh token of client={client} was used again; its grant \
                         is revoked, and the client has to ask the owner anew"
                    ),
                )),
                ..bad()
            },
            Turn::Done => {
                let made = record.grant(id, now).and_then(|grant| {
                    let both = (grant, scopes.unwrap_or(&grant.scopes));
                    let next = Some(&next);
                    tokens::answer(record, &self.issuer, both, next, now, cx.entropy)
                });
                Done {
                    link: Some(link),
                    answer: Some(made.unwrap_or_else(errors::disk)),
                    changed: true,
                    code: None,
                    log: None,
                }
            }
        }
    }
}

fn refuse(code: Code, why: &str) -> Step {
    let answer: Answer = errors::error(code, why);
    Step::Answer(answer)
}
