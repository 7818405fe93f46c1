//! Where people's tools live that a desktop session's `PATH` does not know: npx, uvx and the like
//! (contract 2). Pure: whoever calls says which directories exist.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::environment::Environment;

/// Directories of the whole machine.
const OF_ALL: [&str; 3] = ["/usr/local/bin", "/opt/homebrew/bin", "/snap/bin"];
/// Directories below the home directory.
const OF_ONE: [&str; 7] = [
    ".local/bin",
    ".cargo/bin",
    ".bun/bin",
    ".deno/bin",
    ".volta/bin",
    ".asdf/shims",
    ".local/share/mise/shims",
];

/// The usual tool directories that exist, best first. `list` tells the names in a directory (none
/// if it cannot be read).
pub(super) fn usual(
    environment: &Environment,
    exists: impl Fn(&Path) -> bool,
    list: impl Fn(&Path) -> Vec<OsString>,
) -> Vec<OsString> {
    let mut candidates: Vec<PathBuf> = OF_ALL.iter().map(PathBuf::from).collect();
    let home = environment.get("HOME").map(Path::new);
    if let Some(home) = home {
        candidates.extend(OF_ONE.iter().map(|below| home.join(below)));
    }
    let nvm = match environment.get("NVM_DIR") {
        Some(directory) if !directory.is_empty() => Some(PathBuf::from(directory)),
        Some(_) | None => home.map(|home| home.join(".nvm")),
    };
    if let Some(nvm) = nvm {
        let versions = nvm.join("versions/node");
        let newest = list(&versions)
            .into_iter()
            .filter_map(|name| version(&name).map(|version| (version, name)))
            .max();
        candidates.extend(newest.map(|(_, name)| versions.join(name).join("bin")));
    }
    candidates.retain(|candidate| candidate.is_absolute() && exists(candidate));
    candidates.into_iter().map(OsString::from).collect()
}

/// `v22.3.1` as numbers that compare.
fn version(name: &OsStr) -> Option<[u32; 3]> {
    let mut numbers = name.to_str()?.strip_prefix('v')?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual_in(variables: &[(&str, &str)]) -> Vec<OsString> {
        let pairs = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::new(pairs, b"");
        let missing = ["/opt/homebrew/bin", "/snap/bin", "/h/.volta/bin"].map(Path::new);
        let exists = |path: &Path| !missing.contains(&path);
        let list = |path: &Path| {
            assert!(path.ends_with("versions/node"));
            ["v9.1.0", "v22.3.1", "v22.10.0", "x", "v30"]
                .map(OsString::from)
                .to_vec()
        };
        usual(&environment, exists, list)
    }

    #[test]
    fn contract_2_the_usual_directories_that_exist() {
        assert_eq!(
            usual_in(&[("HOME", "/h")]),
            [
                "/usr/local/bin",
                "/h/.local/bin",
                "/h/.cargo/bin",
                "/h/.bun/bin",
                "/h/.deno/bin",
                "/h/.asdf/shims",
                "/h/.local/share/mise/shims",
                "/h/.nvm/versions/node/v22.10.0/bin",
            ]
        );
        assert_eq!(
            usual_in(&[("NVM_DIR", "/n")]),
            ["/usr/local/bin", "/n/versions/node/v22.10.0/bin"]
        );
        assert_eq!(usual_in(&[("HOME", "relative")]), ["/usr/local/bin"]);
    }
}
