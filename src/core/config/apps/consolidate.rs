//! From an application's file and our `mcp.json` to the new texts of both.

use super::app::{App, Automatic, File, How, OWN_NAME, OwnUrl};
use super::merge::{Merge, Placed};
use super::plan::{Kept, OwnEntry, Plan, Refusal, Request};
use super::rewrite;
use super::servers::{self, Fate};
use super::tree::Json;
use crate::limits::SERVERS_MAX;

/// Plans how 1mcp takes the servers of a file over. Both new texts were read back and are what
/// was meant; outside the servers, every byte of the application's file is the old one.
///
/// # Errors
/// Why it cannot be done.
pub fn consolidate(app: &App, file: &File, request: &Request<'_>) -> Result<Plan, Refusal> {
    let How::Automatic(how) = &app.how else {
        return Err(Refusal::Manual);
    };
    let own = request.own.map(|own| own_entry(how, own)).transpose()?;
    let servers = servers::read(how, file, request).map_err(Refusal::App)?;
    // Each name is compared with all others, each server taken out of the text by itself.
    if servers.entries.len() > SERVERS_MAX {
        return Err(Refusal::TooMany);
    }
    let mut merge = Merge::new(request.mcp_text)?;
    let mut plan = Plan {
        app_text: Vec::new(),
        mcp_text: Vec::new(),
        imported: Vec::new(),
        already_there: Vec::new(),
        kept: Vec::new(),
        own_entries_dropped: Vec::new(),
        notes: Vec::new(),
        already_consolidated: false,
    };
    for server in &servers.entries {
        match &server.fate {
            Fate::Own if is_ours(&server.name, &server.json, own.as_ref()) => {}
            Fate::Own => {
                plan.own_entries_dropped.push(server.name.clone());
                plan.notes
                    .extend(other_configuration(&server.json, own.as_ref()));
            }
            Fate::Kept(reason) => plan.kept.push(Kept {
                name: server.name.clone(),
                reason: reason.clone(),
            }),
            Fate::Carried(carried) => match merge.place(&server.name, app.id, carried) {
                Placed::AlreadyThere(there) => plan.already_there.push(there),
                Placed::Imported(imported) => plan.imported.push(imported),
            },
        }
    }
    if !plan.imported.is_empty() && merge.has_defaults() {
        plan.notes.push(
            "\"serverDefaults\" of mcp.json apply to the servers that were taken over, too."
                .to_owned(),
        );
    }
    plan.notes.extend((how.notes)(&servers.file));
    plan.app_text = rewrite::rewrite(
        &servers,
        request.app_text,
        own.as_ref(),
        |server| match server.fate {
            Fate::Own => is_ours(&server.name, &server.json, own.as_ref()),
            Fate::Kept(_) => true,
            Fate::Carried(_) => false,
        },
    )?;
    plan.mcp_text = merge.finish()?;
    plan.already_consolidated = plan.app_text == request.app_text;
    Ok(plan)
}

/// Our entry as the application wants it.
fn own_entry(how: &Automatic, own: &OwnEntry) -> Result<Json, Refusal> {
    match (own, &how.own_url) {
        (OwnEntry::Command { command, args }, _) => Ok((how.own_command)(command, args)),
        (OwnEntry::Url(url), OwnUrl::Entry(entry)) => Ok(entry(url)),
        (OwnEntry::Url(_), OwnUrl::ByHand(_)) => Err(Refusal::NoUrl),
    }
}

/// What to know about an entry of ours that had another configuration: its servers seem to vanish.
fn other_configuration(old: &Json, new: Option<&Json>) -> Option<String> {
    let (flag, place) = configuration(old)?;
    (new.and_then(configuration) != Some((flag, place))).then(|| {
        format!(
            "The entry that gives way used the configuration {place}, whose servers are not taken \
             over; to keep it, consolidate with --force {flag} {place}."
        )
    })
}

/// Which configuration an entry of ours names.
fn configuration(entry: &Json) -> Option<(&'static str, &str)> {
    let mut args = entry.get("args")?.elements().iter().map(Json::as_str);
    while let Some(arg) = args.next() {
        let (flag, value) = match arg?.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (arg?, None),
        };
        let flag = match flag {
            "--config-dir" | "-d" => "--config-dir",
            "--config" | "-c" => "--config",
            _ => continue,
        };
        return Some((flag, value.or_else(|| args.next().flatten())?));
    }
    None
}

/// Whether an entry is the one that we would write. What its user added to it (tools that need no
/// question, say) does not matter, unless it is switched off.
fn is_ours(name: &str, json: &Json, own: Option<&Json>) -> bool {
    let is_off = json.get("disabled") == Some(&Json::Bool(true))
        || json.get("enabled") == Some(&Json::Bool(false));
    name == OWN_NAME
        && !is_off
        && own.is_some_and(|own| {
            let mut members = own.members().iter();
            members.all(|(key, value)| json.get(key) == Some(value))
        })
}
