//! `/revoke` (RFC 7009): a client gives back what it has. Either kind of token ends the whole
//! grant.

use super::changes::{Change, Done};
use super::errors::{self, Code};
use super::record::Record;
use super::{Server, credentials, tokens};
use crate::cx::Cx;
use crate::effect::Level;
use crate::language::WebRequest;
use crate::links::LinkKey;
use crate::oauth::{Step, token};
use crate::principal::GrantId;
use crate::web::answer::Answer;

impl Server {
    /// POST `/revoke`.
    pub(super) fn revoke(&mut self, cx: &mut Cx<'_>, link: LinkKey, request: &WebRequest) -> Step {
        let asked = match credentials::read(&self.record, request, cx.now.wall) {
            Ok(asked) => asked,
            Err(answer) => return Step::Answer(answer),
        };
        let Some(text) = asked.form.get("token") else {
            let answer = errors::error(Code::InvalidRequest, "token is missing");
            return Step::Answer(answer);
        };
        let key = self.record.refresh_key.as_ref();
        let refresh = key.and_then(|key| tokens::read_refresh(key, text));
        let grant = refresh.map(|(grant, _)| grant).or_else(|| {
            let keys = self.record.keys(self.issuer.clone());
            let claims = token::verify(&keys, text, cx.now.wall).ok()?;
            Some(claims.grant)
        });
        match grant {
            // What we do not know is as good as revoked.
            None => Step::Answer(done()),
            Some(grant) => self.change(
                cx,
                Change::Revoke {
                    link,
                    client: asked.client,
                    grant,
                },
            ),
        }
    }

    pub(super) fn apply_revoke(
        cx: &Cx<'_>,
        record: &mut Record,
        link: Option<LinkKey>,
        client: Option<&str>,
        id: GrantId,
    ) -> Done {
        let now = cx.now.wall;
        let grant = record.grants.iter().find(|grant| grant.id == id);
        let own = grant.filter(|grant| client.is_none_or(|client| *client == *grant.client));
        let log = own.map(|grant| {
            let line = format!("auth: revoked a grant of client={}", grant.client);
            (Level::Info, line)
        });
        let changed = own.is_some() && record.revoke_grant(id, now);
        Done {
            link,
            answer: Some(done()),
            changed,
            code: None,
            log,
        }
    }
}

fn done() -> Answer {
    Answer {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
    }
    .with("Cache-Control", "no-store")
}
