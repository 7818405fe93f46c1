//! The front door (protocol R1-R9): who may come in with which token. Knows keys and revoked
//! grants, no records; remembers tokens that it has verified.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::now::UnixSeconds;
use crate::principal::GrantId;

/// What tokens are checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Our origin: issuer and audience of every token. Empty: nobody comes in.
    pub issuer: Rc<str>,
    /// Names of keys, and the keys.
    pub keys: Vec<(Rc<str>, [u8; 32])>,
    /// Grants that were revoked, until their last token has expired.
    pub revoked: BTreeMap<GrantId, UnixSeconds>,
}
