//! What must hold for any bytes at all. [`token`] and [`registration`] are fuzz targets of fuzz/
//! and panic when it is broken.

use crate::now::UnixSeconds;
use crate::oauth::door::Keys;
use crate::oauth::server::record::Record;
use crate::oauth::server::{fuzz_document, fuzz_register};
use crate::oauth::token::{Claims, SigningKey, verify};
use crate::principal::{GrantId, Scopes};

/// Whatever is sent is none of ours; what is signed by us is read as it was written, or not at all;
/// and one changed byte makes a good token bad.
pub fn token(data: &[u8]) {
    let Some(key) = SigningKey::from_seed(&[1; 32]) else {
        return;
    };
    let keys = Keys {
        issuer: "https://a.example".into(),
        keys: vec![(key.kid(), key.public())],
        ..Keys::default()
    };
    let now = UnixSeconds(1_000);
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(verify(&keys, text, now).is_err(), "nobody else can sign");
    }
    if let Ok(claims) = verify(&keys, key.sign_bytes(data).reveal(), now) {
        assert_eq!(verify(&keys, key.sign(&claims).reveal(), now), Ok(claims));
    }
    if let [high, low, byte, ..] = *data {
        let mut good = key.sign(&claims()).reveal().as_bytes().to_vec();
        let place = usize::from(u16::from_be_bytes([high, low])) % good.len();
        let was = std::mem::replace(&mut good[place], byte);
        let found = std::str::from_utf8(&good).map(|text| verify(&keys, text, now));
        assert_eq!(matches!(found, Ok(Ok(_))), was == byte);
    }
}

/// Whatever strangers say of themselves, at `/register` or in a document of the web, is read or
/// refused; and a record is read as it was written, or refused.
pub fn registration(data: &[u8]) {
    fuzz_register(data);
    fuzz_document(data);
    if let Ok(record) = Record::read(Some(data)) {
        assert_eq!(Record::read(Some(&record.write())), Ok(record));
    }
}

fn claims() -> Claims {
    Claims {
        issuer: "https://a.example".into(),
        audience: "https://a.example".into(),
        grant: GrantId([2; 16]),
        client: "c".into(),
        scopes: Scopes::All,
        issued: UnixSeconds(900),
        not_before: UnixSeconds(900),
        expires: UnixSeconds(2_000),
        id: [3; 16],
    }
}
