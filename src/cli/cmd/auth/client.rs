//! `auth client`: programs that may ask the owner to be let in. Most register themselves; those
//! whose dialog wants an id and a secret are added here.

use onemcp::json::write;
use onemcp::oauth::server::record::{Applicant, ClientView, Known, Refused};
use serde_json::{Value, json};

use super::store::{self, Opened};
use super::{moment, now, one, quoted, shown, tell};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::places::Places;
use crate::cli::suggest;
use crate::cli::terminal::{Cell, Table, Terminal};
use crate::cli::{places, variable};

/// `auth client add`.
pub(crate) fn add(line: &Line) -> Result<u8, Failure> {
    let name = one(line, "auth client add", "a name for the client")?;
    let applicant = Applicant {
        name: name.clone().into_owned(),
        redirects: line.all("redirect", |text| Ok(text.to_owned()))?,
        confidential: !line.is_set("public"),
        refreshes: true,
    };
    let places = places::resolve(line, variable)?;
    let mut opened = Opened::lock(&places)?;
    let mut known = opened.record.clients.iter();
    if let Some(client) = known.find(|one| one.known == Known::ByOwner && one.name == *name) {
        return Err(Failure::Failed(format!(
            "there is a client {} already (id {}); remove it first, or take another name",
            quoted(&name),
            client.id
        )));
    }
    let added = opened
        .record
        .add_client(&applicant, now(), &mut store::entropy()?);
    let (id, secret) = added.map_err(|refused| match refused {
        Refused::NoRedirect => Failure::Usage(
            "auth client add needs --redirect URI: where the client takes its answer (Claude: \
             https://claude.ai/api/mcp/auth_callback)"
                .to_owned(),
        ),
        Refused::Redirects | Refused::Redirect(..) => Failure::Usage(refused.to_string()),
        Refused::Full => Failure::Failed(refused.to_string()),
    })?;
    opened.save()?;
    let secret = secret.as_ref().map(|secret| secret.reveal());
    let mut text = format!("client id:     {id}\n");
    match secret {
        Some(secret) => text.push_str(&format!(
            "client secret: {secret}\n\nThe secret is shown this once; only its hash is kept."
        )),
        None => text.push_str("It is a public client and has no secret."),
    }
    let redirects: Vec<String> = applicant
        .redirects
        .iter()
        .map(|uri| write::string(uri))
        .collect();
    let members = [
        ("action", write::string("add")),
        ("name", write::string(&name)),
        ("id", write::string(&id)),
        (
            "secret",
            secret.map_or_else(|| "null".to_owned(), write::string),
        ),
        ("redirects", format!("[{}]", redirects.join(","))),
        ("file", write::string(&store::file(&places))),
    ];
    tell(line, &text, &members).map(|()| 0)
}

/// `auth client list`.
pub(crate) fn list(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    let places = places::resolve(line, variable)?;
    let now = now();
    let mut record = store::look(&places)?;
    // Registrations whose time is over count as gone already.
    record.forget_expired(now);
    let clients = record.list_clients();
    if line.is_set("json") {
        let clients: Vec<Value> = clients.iter().map(value).collect();
        return out::result(&format!("{}\n", json!({"clients": clients}))).map(|()| 0);
    }
    if clients.is_empty() {
        out::note("there are no clients; most register themselves when they come first");
        return Ok(0);
    }
    let mut table = Table::new(&["NAME", "ID", "KIND", "LET IN", "SINCE", "REDIRECTS"]);
    for client in &clients {
        table.row([
            Cell::new(&client.name),
            Cell::new(&client.id),
            Cell::new(kind(client)),
            Cell::new(&client.grants.to_string()),
            Cell::new(&shown(client.created)),
            Cell::new(&client.redirects.join(" ")),
        ]);
    }
    out::result(&table.show(Terminal::stdout())).map(|()| 0)
}

/// `auth client remove`.
pub(crate) fn remove(line: &Line) -> Result<u8, Failure> {
    let wanted = one(line, "auth client remove", "the id or the name of a client")?;
    let places = places::resolve(line, variable)?;
    let mut opened = Opened::lock(&places)?;
    let id = find(&opened.record.list_clients(), &wanted)?;
    let grants = opened.record.list_grants();
    let ended = grants.iter().filter(|grant| *grant.client == *id).count();
    if !opened.record.remove_client(&id, now()) {
        return Err(absent(&opened.record.list_clients(), &wanted));
    }
    opened.save()?;
    let text = match ended {
        0 => format!("removed the client {}", quoted(&wanted)),
        count => format!(
            "removed the client {}; what it was given ({count}) is good no more",
            quoted(&wanted)
        ),
    };
    let members = [
        ("action", write::string("remove")),
        ("id", write::string(&id)),
        ("revoked", ended.to_string()),
        ("file", write::string(&store::file(&places))),
    ];
    tell(line, &text, &members).map(|()| 0)
}

/// What `remove` can be about: names that say which client is meant, else ids.
pub(crate) fn completions(places: &Places) -> Vec<String> {
    let clients = store::glance(places).list_clients();
    let is_only = |name: &str| clients.iter().filter(|one| one.name == name).count() == 1;
    let word = |client: &ClientView| match client.name.as_str() {
        name if !name.contains(char::is_whitespace) && is_only(name) => name.to_owned(),
        _ => client.id.to_string(),
    };
    clients.iter().map(word).collect()
}

/// The id that is meant: an id, or the name of one client only. What is neither may be a document
/// of the web, of which there are grants only.
fn find(clients: &[ClientView], wanted: &str) -> Result<String, Failure> {
    if clients.iter().any(|client| *client.id == *wanted) {
        return Ok(wanted.to_owned());
    }
    let named: Vec<&ClientView> = clients.iter().filter(|one| one.name == wanted).collect();
    match &named[..] {
        [] => Ok(wanted.to_owned()),
        [one] => Ok(one.id.to_string()),
        several => {
            let ids: Vec<&str> = several.iter().map(|one| &*one.id).collect();
            let name = quoted(wanted);
            let text = format!(
                "several clients are called {name}; name one by its id: {}",
                ids.join(", ")
            );
            Err(Failure::Usage(text))
        }
    }
}

fn absent(clients: &[ClientView], wanted: &str) -> Failure {
    let names = clients.iter().map(|client| client.name.as_str());
    let hint = suggest::hint(wanted, names, "");
    Failure::Absent(format!(
        "there is no client {}{hint} (1mcp auth client list shows them)",
        quoted(wanted)
    ))
}

fn kind(client: &ClientView) -> &'static str {
    match (client.known, client.confidential) {
        (Known::ByOwner, true) => "added, with a secret",
        (Known::ByOwner, false) => "added, public",
        (Known::Consented, _) => "registered itself",
        (Known::Unconsented, _) => "registered itself, not let in yet",
    }
}

fn value(client: &ClientView) -> Value {
    json!({
        "id": &*client.id,
        "name": client.name,
        "redirects": client.redirects,
        "confidential": client.confidential,
        "registered": match client.known {
            Known::ByOwner => "by-owner",
            Known::Consented => "itself",
            Known::Unconsented => "itself-unconsented",
        },
        "created": moment(client.created),
        "grants": client.grants,
    })
}
