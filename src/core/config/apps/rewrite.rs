//! The application's side: servers go, our entry comes, every byte outside them stays. What comes
//! out is read back and compared with what was meant before anybody may write it.

use super::app::OWN_NAME;
use super::plan::Refusal;
use super::servers::{Server, Servers};
use super::tree::Json;
use crate::config::edit::{self, EditError};

/// The new text of a file in which only the servers that `stays` says remain, beside our entry.
pub(super) fn rewrite(
    servers: &Servers,
    text: &[u8],
    own: Option<&Json>,
    stays: impl Fn(&Server) -> bool,
) -> Result<Vec<u8>, Refusal> {
    let all_stay = servers.entries.iter().all(&stays);
    let has_own = servers
        .entries
        .iter()
        .any(|server| server.name == OWN_NAME && stays(server));
    if all_stay && (has_own || own.is_none()) {
        return Ok(text.to_vec());
    }
    let own = own.filter(|_| !has_own);
    let meant = meant(servers, own, &stays);
    let new = if servers.entries.iter().any(&stays) {
        one_by_one(servers, text, own, &stays)
    } else {
        edit::set(text, servers.way, &meant.text())
    };
    let new = new.map_err(refusal)?;
    if reads_as(servers, text, &new, meant) {
        Ok(new)
    } else {
        Err(Refusal::NotAsMeant("the application's file"))
    }
}

/// The servers as they are to be.
fn meant(servers: &Servers, own: Option<&Json>, stays: impl Fn(&Server) -> bool) -> Json {
    if servers.is_array {
        let kept = servers.entries.iter().filter(|server| stays(server));
        let own = own.map(named).into_iter();
        return Json::Array(kept.map(|server| server.json.clone()).chain(own).collect());
    }
    let mut members = Vec::new();
    let mut own = own;
    for server in &servers.entries {
        if stays(server) {
            members.push((server.name.clone(), server.json.clone()));
        } else if server.name == OWN_NAME
            && let Some(own) = own.take()
        {
            // It is replaced where it stands.
            members.push((OWN_NAME.to_owned(), own.clone()));
        }
    }
    members.extend(own.map(|own| (OWN_NAME.to_owned(), own.clone())));
    Json::Object(members)
}

/// Our entry with its name, for an array.
fn named(own: &Json) -> Json {
    let name = ("name".to_owned(), Json::string(OWN_NAME));
    let members = own.members().iter().cloned();
    Json::Object(std::iter::once(name).chain(members).collect())
}

/// Takes the others away one by one, so that what stays keeps its bytes.
fn one_by_one(
    servers: &Servers,
    text: &[u8],
    own: Option<&Json>,
    stays: impl Fn(&Server) -> bool,
) -> Result<Vec<u8>, EditError> {
    let mut text = text.to_vec();
    // From the last to the first: indices of an array stay what they are.
    for (index, server) in servers.entries.iter().enumerate().rev() {
        let is_replaced = own.is_some() && server.name == OWN_NAME && !servers.is_array;
        if stays(server) || is_replaced {
            continue;
        }
        text = if servers.is_array {
            edit::remove_element(&text, servers.way, index)?
        } else {
            edit::remove(&text, &[servers.way, &[server.name.as_str()]].concat())?
        };
    }
    match own {
        None => Ok(text),
        Some(own) if servers.is_array => {
            edit::append_element(&text, servers.way, &named(own).text())
        }
        Some(own) => edit::set(&text, &[servers.way, &[OWN_NAME]].concat(), &own.text()),
    }
}

fn refusal(error: EditError) -> Refusal {
    match error {
        EditError::NotJson(error)
        | EditError::NotAnObject(error)
        | EditError::NotAnArray(error)
        | EditError::Twice(error) => Refusal::App(error),
        EditError::TooMuch(why) => Refusal::NoRoom("the application's file", why.to_string()),
        _ => Refusal::NotAsMeant("the application's file"),
    }
}

/// Whether the new text says what the old one said with these servers, and is the old one before
/// and after them.
fn reads_as(servers: &Servers, old: &[u8], new: &[u8], meant: Json) -> bool {
    let mut file = servers.file.clone();
    file.set(servers.way, meant);
    let around_is_kept = servers.at.is_none_or(|at| {
        let before = old.get(..at.start).unwrap_or_default();
        let after = old.get(at.end..).unwrap_or_default();
        new.len() >= before.len() + after.len() && new.starts_with(before) && new.ends_with(after)
    });
    around_is_kept && Json::of_file(new).is_ok_and(|read| read == file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_meant_is_noticed() {
        let old = br#"{"a":1,"s":{"x":{}},"b":2}"#;
        let servers = Servers {
            way: &["s"],
            at: Some(crate::json::span::Span { start: 11, end: 19 }),
            is_array: false,
            file: Json::of_file(old).unwrap(),
            entries: Vec::new(),
        };
        let meant = || Json::Object(Vec::new());
        let reads = |new: &str| reads_as(&servers, old, new.as_bytes(), meant());
        assert!(reads(r#"{"a":1,"s":{ },"b":2}"#));
        for wrong in [
            r#"{"a":1,"s":{"x":{}},"b":2}"#,
            r#"{"a": 1,"s":{},"b":2}"#,
            r#"{"a":1,"s":{},"b":3}"#,
            r#"{"a":1,"s":{"#,
            "",
        ] {
            assert!(!reads(wrong), "{wrong}");
        }
        let fault = Refusal::NotAsMeant("mcp.json").to_string();
        assert!(fault.contains("nothing was changed"), "{fault}");
    }
}
