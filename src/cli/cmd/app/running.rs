//! Whether an application runs: what it has in memory may overwrite what is changed in its file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use onemcp::config::apps::App;

use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::terminal::{can_ask, confirm};

/// Processes that are looked at.
const PROCESSES_MAX: usize = 100_000;
/// As much as the kernel keeps of a name in `comm`.
const COMM_BYTES: usize = 15;

/// If the application runs: on a terminal asks whether to do `what` to its file all the same,
/// elsewhere says so.
pub(super) fn ask(app: &App, yes: bool, what: &str) -> Result<(), Failure> {
    let Some(pid) = process(app.processes) else {
        return Ok(());
    };
    let title = app.title;
    let text = format!("{title} is running (process {pid}) and may undo what is changed now");
    if yes || !can_ask() {
        out::note(&format!("{text}; quit it completely before the next start"));
        return Ok(());
    }
    let question = format!("{text}: quit it first. {what} its file all the same?");
    if confirm(&question, "--yes")? {
        return Ok(());
    }
    let text = format!("nothing was changed: quit {title} and run the command again");
    Err(Failure::Failed(text))
}

/// The id of a process of one of these names that is ours; `None` if there is none, or where there
/// is no process list.
fn process(names: &[&str]) -> Option<u32> {
    if names.is_empty() {
        return None;
    }
    let own = fs::metadata("/proc/self").ok()?;
    let entries = fs::read_dir("/proc").ok()?.flatten().take(PROCESSES_MAX);
    for entry in entries {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let is_ours = entry.metadata().is_ok_and(|found| found.uid() == own.uid());
        if is_ours && pid != std::process::id() && is_named(&entry.path(), names) {
            return Some(pid);
        }
    }
    None
}

fn is_named(process: &Path, names: &[&str]) -> bool {
    let comm = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let program = fs::read_link(process.join("exe")).unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    matches(comm.trim_end(), &program, names)
}

/// Names are compared as they are: `Claude` is the desktop's, `claude` another program.
fn matches(comm: &str, program: &str, names: &[&str]) -> bool {
    names.iter().any(|name| {
        let cut = name.get(..COMM_BYTES).unwrap_or(name);
        comm == cut || program == *name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_6_a_process_is_told_by_its_name() {
        assert!(matches("Claude", "", &["Claude"]));
        assert!(matches("electron", "Claude", &["Claude"]));
        assert!(matches("claude-desktop-", "", &["claude-desktop-bin"]));
        assert!(!matches("claude", "claude", &["Claude"]));
        assert!(!matches("claude-tools", "claude-tools", &["claude"]));
        assert!(!matches("", "", &["claude"]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn contract_6_a_process_is_found_by_id() {
        use std::process::{Command, Stdio};
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(process(&["cat"]).is_some());
        assert_eq!(process(&["no-such-program-runs"]), None);
        assert_eq!(process(&[]), None);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
