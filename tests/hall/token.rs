//! A gateway with `--enable-auth`, and the tokens with which clients come in.

use onemcp::now::UnixSeconds;
use onemcp::oauth::door::Keys;
use onemcp::oauth::token::{Claims, SigningKey};
use onemcp::principal::{GrantId, Scopes};

use crate::client::{Call, Client};
use crate::world::{Builder, World};

const ISSUER: &str = "http://127.0.0.1:3050";

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32]).unwrap()
}

/// A gateway that wants tokens.
pub(crate) fn guarded() -> Builder {
    World::http().settings(|settings| settings.auth = true)
}

impl Builder {
    /// Starts it, as [`Builder::start`] does, and lets in who has a token of [`token`].
    pub(crate) fn open(self) -> World {
        let mut world = self.start();
        world.let_in(Keys {
            issuer: ISSUER.into(),
            keys: vec![(key().kid(), key().public())],
            ..Keys::default()
        });
        world
    }
}

/// A token of a grant with these scopes, good for an hour. Each is another one.
pub(crate) fn token(world: &mut World, grant: u8, scopes: &str) -> String {
    let now = world.moment().wall;
    world.tokens += 1;
    let claims = Claims {
        issuer: ISSUER.into(),
        audience: ISSUER.into(),
        grant: GrantId([grant; 16]),
        client: "c".into(),
        scopes: Scopes::parse(scopes).unwrap(),
        issued: now,
        not_before: now,
        expires: UnixSeconds(now.0 + 3600),
        id: [world.tokens; 16],
    };
    key().sign(&claims).reveal().to_owned()
}

/// What clients are, but for their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// A session of 2025-11-25.
    Legacy,
    /// Each request for itself.
    Modern,
}

pub(crate) const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// A client of a grant with these scopes.
pub(crate) fn holder(world: &mut World, era: Era, grant: u8, scopes: &str) -> Client {
    holder_of(world, era, (grant, scopes), "{}")
}

/// The same that declares something.
pub(crate) fn holder_of(
    world: &mut World,
    era: Era,
    (grant, scopes): (u8, &str),
    capabilities: &str,
) -> Client {
    let token = token(world, grant, scopes);
    if era == Era::Modern {
        let client = Client::modern(world, capabilities);
        client.has_token(world, &token);
        return client;
    }
    let client = Client::http(world);
    client.has_token(world, &token);
    client.initialize(world, "2025-11-25", capabilities);
    client.initialized(world);
    client.listen(world);
    client
}

/// The same grant comes with another token.
pub(crate) fn renews(world: &mut World, client: Client, grant: u8, scopes: &str) {
    let token = token(world, grant, scopes);
    client.has_token(world, &token);
}

/// The answer to a call is 403, and names all scopes that it takes (R3).
#[track_caller]
pub(crate) fn is_forbidden(world: &mut World, client: Client, call: &Call, needed: &str) {
    let (code, message) = call.error(world);
    assert_eq!(
        (code, client.status(world)),
        (-32600, Some(403)),
        "{message}"
    );
    let challenge = client.challenge(world).expect("no WWW-Authenticate");
    for part in [
        r#"error="insufficient_scope""#.to_owned(),
        format!(r#"scope="{needed}""#),
    ] {
        assert!(challenge.contains(&part), "{part} in {challenge}");
    }
}
