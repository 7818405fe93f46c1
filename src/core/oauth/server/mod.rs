//! The authorization server (protocol S1-S11): registers clients, asks the owner, gives tokens.

pub mod record;
pub mod redirect;

use crate::cx::Cx;
use crate::fetch::News;
use crate::language::WebRequest;
use crate::links::LinkKey;
use crate::oauth::door::Keys;
use crate::oauth::owner::Visitor;
use crate::oauth::{Step, Wish};
use crate::settings::Settings;
use crate::web::answer::Answer;

/// The name of its record in the directory of secrets.
pub const RECORD: &str = "server.json";

/// What the server tells.
#[derive(Debug)]
pub enum ServerNews {
    /// Something is wanted.
    Wish(Wish),
    /// Keys or revoked grants have changed.
    Keys(Keys),
    /// The owner's password is this one now.
    Password(Option<record::Password>),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Server {}

impl Server {
    /// A server that knows nobody. Without `--enable-auth` it answers nothing, but still tells the
    /// owner's password.
    #[must_use]
    pub fn new(_settings: &Settings) -> Self {
        Self::default()
    }

    /// `/.well-known/..`, `/authorize`, `/token`, `/register`, `/revoke`.
    pub fn request(
        &mut self,
        _cx: &mut Cx<'_>,
        _link: LinkKey,
        _request: &WebRequest,
        _visitor: &Visitor,
    ) -> Step {
        let hint = "it comes with --enable-auth";
        Step::Answer(Answer::error(404, "no such path", hint))
    }

    /// `Input::Record` of [`RECORD`].
    pub fn record(&mut self, _cx: &mut Cx<'_>, _bytes: Option<&[u8]>) {}

    /// `Input::RecordLocked`.
    pub fn locked(
        &mut self,
        _cx: &mut Cx<'_>,
        _number: u32,
        _found: Result<Option<Vec<u8>>, String>,
    ) {
    }

    /// `Input::RecordStored`.
    pub fn stored(&mut self, _cx: &mut Cx<'_>, _number: u32, _done: Result<(), String>) {}

    /// News of an errand.
    pub fn news(&mut self, _cx: &mut Cx<'_>, _number: u32, _news: News) {}

    /// `Alarm::AuthServer`.
    pub fn alarm(&mut self, _cx: &mut Cx<'_>) {}

    /// The next thing to know or do.
    pub fn told(&mut self) -> Option<ServerNews> {
        None
    }
}
