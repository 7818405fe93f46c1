//! The entry that starts this very binary: its path as it will still be right after an upgrade, and
//! the flags that lead it to this configuration wherever it is started from.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use onemcp::config::apps::OwnEntry;

use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::places::Places;
use crate::cli::variable;

/// The entry, and what is to be said about it.
#[derive(Debug)]
pub(super) struct Own {
    /// The path of this binary.
    pub(super) path: String,
    /// What the application gets.
    pub(super) entry: OwnEntry,
    /// Why the path may not last.
    pub(super) warning: Option<String>,
}

/// Makes it.
pub(super) fn entry(line: &Line, places: &Places, url: Option<String>) -> Result<Own, Failure> {
    let name = env::args_os().next().unwrap_or_default();
    let real = env::current_exe().ok();
    let path = binary(&name, variable("PATH").as_deref(), real.as_deref());
    let Some(path) = path else {
        let text = "the path of this program cannot be found; start it by its absolute path";
        return Err(Failure::Failed(text.to_owned()));
    };
    let text = |path: &Path| match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::Failed(format!(
            "{} is not UTF-8, so it cannot stand in a JSON file",
            path.display()
        ))),
    };
    let command = text(&path)?;
    let warning = passing(&path, real.as_deref());
    let entry = match url {
        Some(url) => OwnEntry::Url(url),
        None => {
            let mut args: Vec<String> = ["serve", "--transport", "stdio"].map(str::to_owned).into();
            for (flag, path) in flags(line, places) {
                args.extend([flag.to_owned(), text(&path)?]);
            }
            OwnEntry::Command {
                command: command.clone(),
                args,
            }
        }
    };
    Ok(Own {
        path: command,
        entry,
        warning,
    })
}

/// Which flags lead to the same files when only HOME and PATH are set: those that were given, and
/// those that a variable of this terminal stands for.
fn flags(line: &Line, places: &Places) -> Vec<(&'static str, PathBuf)> {
    let given = |long: &str| line.raw(long).is_some() && !line.is_from_variable(long);
    let usual = variable("HOME").map(|home| PathBuf::from(home).join(".config/1mcp"));
    let is_usual = usual.as_deref() == Some(&places.config_dir);
    let dir = places.config_dir.clone();
    let file = places.config_file.clone();
    let in_dir = file == dir.join("mcp.json");
    let below = file.parent() == Some(&dir);
    match (given("config"), given("config-dir")) {
        (false, false) if is_usual && in_dir => Vec::new(),
        _ if in_dir => vec![("--config-dir", dir)],
        _ if below => vec![("--config", file)],
        _ => vec![("--config", file), ("--config-dir", dir)],
    }
}

/// The path that was used to start us, made absolute: not what links lead to, for the next version
/// is likely to be behind the same link. It counts only if it leads to the binary that runs.
fn binary(name: &OsStr, path: Option<&OsStr>, real: Option<&Path>) -> Option<PathBuf> {
    let typed = Path::new(name);
    let candidates: Vec<PathBuf> = if typed.components().count() > 1 || typed.is_absolute() {
        std::path::absolute(typed).into_iter().collect()
    } else {
        let directories = env::split_paths(path.unwrap_or_default());
        let absolute = directories.filter(|directory| directory.is_absolute());
        absolute.map(|directory| directory.join(typed)).collect()
    };
    let same = |path: &PathBuf| match real {
        Some(real) => identity(path).is_some() && identity(path) == identity(real),
        None => path.is_file(),
    };
    let found = candidates.into_iter().find(same);
    found.or_else(|| Some(without_mark(real?)))
}

/// The kernel marks the path of a binary that was replaced since it started.
fn without_mark(real: &Path) -> PathBuf {
    let text = real.to_string_lossy();
    match text.strip_suffix(" (deleted)") {
        Some(path) if !real.exists() => PathBuf::from(path),
        _ => real.to_path_buf(),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((found.dev(), found.ino()))
}

/// Why a binary here is likely to be gone one day.
fn passing(path: &Path, real: Option<&Path>) -> Option<String> {
    let why = |path: &Path| {
        let names: Vec<OsString> = path.iter().map(OsStr::to_owned).collect();
        let is_build = names.windows(2).any(|pair| {
            pair.iter()
                .map(|name| name.to_string_lossy())
                .eq(["target", "debug"])
                || pair
                    .iter()
                    .map(|name| name.to_string_lossy())
                    .eq(["target", "release"])
        });
        let is_cache = names.iter().any(|name| name == "_npx" || name == ".cache");
        let temporary = [env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
        let is_temporary = temporary.iter().any(|dir| path.starts_with(dir));
        match (is_temporary, is_cache, is_build) {
            (true, _, _) => Some("a temporary directory"),
            (_, true, _) => Some("a cache"),
            (_, _, true) => Some("a build directory"),
            _ => None,
        }
    };
    let kind = why(path).or_else(|| why(real?))?;
    Some(format!(
        "{} is in {kind}: when it goes, the application loses its servers; put 1mcp into \
         ~/.local/bin (or another directory of PATH) and consolidate again with --force",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::shell::disk::tests::TempDir;

    #[test]
    fn contract_6_the_path_is_the_one_that_survives_an_upgrade() {
        let dir = TempDir::new();
        let real = dir.path().join("1mcp-1.2.3");
        fs::write(&real, "").unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let link = dir.path().join("bin/1mcp");
        symlink(&real, &link).unwrap();
        let other = TempDir::new();
        fs::write(other.path().join("1mcp"), "").unwrap();
        let path = env::join_paths([Path::new("bin"), other.path(), &dir.path().join("bin")]);
        let path = path.unwrap();
        let of = |name: &str, real: &Path| binary(name.as_ref(), Some(&path), Some(real)).unwrap();
        assert_eq!(
            of("1mcp", &real),
            link,
            "another 1mcp of PATH is passed over"
        );
        assert_eq!(of(link.to_str().unwrap(), &real), link);
        assert_eq!(of("/x/1mcp", &real), real, "argv[0] may be anything");
        assert_eq!(of("", &real), real);
        let replaced = dir.path().join("gone (deleted)");
        assert_eq!(of("x", &replaced), dir.path().join("gone"));
        assert_eq!(binary("x".as_ref(), None, None), None);
    }

    #[test]
    fn contract_6_a_place_that_will_not_last_is_warned_about() {
        for path in [
            "/tmp/1mcp",
            "/u/1mcp/target/debug/1mcp",
            "/u/.npm/_npx/1/1mcp",
        ] {
            let warning = passing(Path::new(path), None).unwrap();
            assert!(warning.contains("--force"), "{warning}");
        }
        for path in [
            "/usr/bin/1mcp",
            "/home/u/.local/bin/1mcp",
            "/opt/target/1mcp",
        ] {
            assert_eq!(passing(Path::new(path), None), None, "{path}");
        }
        let behind = Path::new("/tmp/x/1mcp");
        assert!(passing(Path::new("/usr/bin/1mcp"), Some(behind)).is_some());
    }
}
