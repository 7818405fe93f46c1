//! Augment, in VS Code and as a command (`auggie`). It substitutes nothing that is documented, so
//! every `$` is doubled. In the settings of VS Code its servers are an array under the one key
//! `augment.advanced`, each entry carrying its `name`; in its own settings they are an object. A
//! `command` with blanks and no `args` is a whole command line for a shell, which we do not start.
//! Its servers inherit the environment of the editor or of the shell, so ours do.

use super::app::{App, Automatic, File, MCP_SERVERS};
use super::draft::{Draft, Step, Untyped};
use super::places::{Candidate, Surroundings, extension_homes};
use super::texts;
use super::vscode;

pub(super) const APP: App = App {
    aliases: &["augment-code", "auggie"],
    processes: vscode::PROCESSES,
    ..App::automatic("augment", "Augment", Automatic::usual(files, carry))
};

static EDITOR_FILE: File = File {
    ways: &[
        &["augment.advanced", "mcpServers"],
        &["augment.advanced.mcpServers"],
        &["augment", "advanced", "mcpServers"],
    ],
    is_array: true,
};

fn files(around: &Surroundings) -> Vec<Candidate> {
    let mut files: Vec<Candidate> = extension_homes(around)
        .map(|(user, edition)| {
            let trace = user.join("globalStorage").join("augment.vscode-augment");
            let file = Candidate::user(user.join("settings.json"), trace, &EDITOR_FILE);
            file.of(edition)
        })
        .collect();
    let home = around.home.join(".augment");
    let own = Candidate::user(home.join("settings.json"), home, &MCP_SERVERS);
    files.push(own.of("command line"));
    files
}

fn carry(draft: &mut Draft<'_>) -> Step {
    // The name is the key with us.
    draft.take("name");
    let command = draft.text("command").unwrap_or_default();
    if command.contains(' ') && draft.get("args").is_none() {
        return Err("has a whole command line in \"command\"".to_owned());
    }
    draft.set_type(Untyped::Either)?;
    draft.texts(&|text| Ok(texts::literal(text)))?;
    draft.inherit();
    Ok(())
}
