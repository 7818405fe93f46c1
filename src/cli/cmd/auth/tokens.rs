//! `auth tokens`: what clients were given. A line is a grant: that the owner let one client in,
//! once; all tokens that come from it end with it.

use onemcp::json::write;
use onemcp::oauth::server::record::GrantView;
use onemcp::principal::GrantId;
use serde_json::{Value, json};

use super::store::{self, Opened};
use super::{moment, now, one, quoted, shown, tell};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::places::Places;
use crate::cli::terminal::{Cell, Table, Terminal};
use crate::cli::{places, variable};

/// `auth tokens list`.
pub(crate) fn list(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    let places = places::resolve(line, variable)?;
    let mut record = store::look(&places)?;
    record.forget_expired(now());
    let grants = record.list_grants();
    if line.is_set("json") {
        let grants: Vec<Value> = grants.iter().map(value).collect();
        return out::result(&format!("{}\n", json!({"tokens": grants}))).map(|()| 0);
    }
    if grants.is_empty() {
        out::note("no client was let in yet");
        return Ok(0);
    }
    let mut table = Table::new(&["ID", "CLIENT", "SCOPES", "SINCE", "LAST TOKEN", "UNTIL"]);
    for grant in &grants {
        table.row([
            Cell::new(&grant.id),
            Cell::new(&grant.client_name),
            Cell::new(&grant.scopes.text()),
            Cell::new(&shown(grant.created)),
            Cell::new(&shown(grant.used)),
            Cell::new(&shown(grant.expires)),
        ]);
    }
    out::result(&table.show(Terminal::stdout())).map(|()| 0)
}

/// `auth tokens revoke`.
pub(crate) fn revoke(line: &Line) -> Result<u8, Failure> {
    let all = line.is_set("all");
    if all {
        line.no_operands()?;
    } else if line.operands.is_empty() {
        let text = "auth tokens revoke needs an id (1mcp auth tokens list shows them), or --all";
        return Err(Failure::Usage(text.to_owned()));
    }
    let wanted = if all {
        None
    } else {
        Some(one(line, "auth tokens revoke", "id")?)
    };
    let places = places::resolve(line, variable)?;
    let mut opened = Opened::lock(&places)?;
    let grants = opened.record.list_grants();
    let meant = |grant: &&GrantView| wanted.as_ref().is_none_or(|id| grant.id == **id);
    let ids: Vec<String> = grants
        .iter()
        .filter(meant)
        .map(|one| one.id.clone())
        .collect();
    let revoked = ids.iter().filter_map(|id| GrantId::parse(id));
    let count = revoked
        .filter(|id| opened.record.revoke_grant(*id, now()))
        .count();
    if let Some(id) = wanted.filter(|_| count == 0) {
        return Err(Failure::Absent(format!(
            "nothing that was given has the id {} (1mcp auth tokens list shows them)",
            quoted(&id)
        )));
    }
    if count > 0 {
        opened.save()?;
    }
    let text = match count {
        0 => "there was nothing to revoke".to_owned(),
        1 => "revoked; its tokens are good no more".to_owned(),
        count => format!("revoked all {count}; their tokens are good no more"),
    };
    let ids: Vec<String> = ids.iter().map(|id| write::string(id)).collect();
    let members = [
        ("action", write::string("revoke")),
        ("revoked", format!("[{}]", ids.join(","))),
        ("file", write::string(&store::file(&places))),
    ];
    tell(line, &text, &members).map(|()| 0)
}

/// What `revoke` can be about.
pub(crate) fn completions(places: &Places) -> Vec<String> {
    let grants = store::glance(places).list_grants();
    grants.into_iter().map(|grant| grant.id).collect()
}

fn value(grant: &GrantView) -> Value {
    json!({
        "id": grant.id,
        "client": &*grant.client,
        "clientName": grant.client_name,
        "scopes": grant.scopes.text(),
        "created": moment(grant.created),
        "used": moment(grant.used),
        "expires": moment(grant.expires),
    })
}
