//! Where the configuration and the state are (contract 2).

use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};

use super::args::Line;
use super::failure::{Failure, reason};

/// The files and directories of one configuration, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// `mcp.json`.
    pub(crate) config_file: PathBuf,
    /// What counts as this configuration: backups, presets and `.env` are here.
    pub(crate) config_dir: PathBuf,
    /// What may be deleted at any time.
    pub(crate) state_dir: PathBuf,
}

/// Finds them from the flags and the environment.
pub(crate) fn resolve(
    line: &Line,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Places, Failure> {
    // XDG: a relative path in one of these variables counts as not set.
    let directory = |name: &str| {
        let value = variable(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let home = directory("HOME");
    let (file, dir) = chosen(line);
    if let Some(dir) = dir {
        let dir = full(Path::new(dir))?;
        let config_file = match file {
            Some(file) => full(Path::new(file))?,
            None => dir.join("mcp.json"),
        };
        return Ok(Places {
            config_file,
            state_dir: dir.join("state"),
            config_dir: dir,
        });
    }
    if let Some(file) = file {
        let config_file = full(Path::new(file))?;
        let config_dir = config_file.parent().unwrap_or(Path::new("/")).to_path_buf();
        return Ok(Places {
            config_file,
            state_dir: config_dir.join("state"),
            config_dir,
        });
    }
    let below_home = |below: &str| home.as_ref().map(|home| home.join(below));
    let config_home = directory("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    let Some(config_home) = config_home else {
        let text = "neither HOME nor XDG_CONFIG_HOME is set: give --config-dir DIR";
        return Err(Failure::Failed(text.to_owned()));
    };
    let config_dir = config_home.join("1mcp");
    let state_dir = directory("XDG_STATE_HOME")
        .or_else(|| below_home(".local/state"))
        .map_or_else(|| config_dir.join("state"), |state| state.join("1mcp"));
    Ok(Places {
        config_file: config_dir.join("mcp.json"),
        config_dir,
        state_dir,
    })
}

/// For the demo, which needs none of them, on a machine where nothing is set.
pub(crate) fn nowhere() -> Places {
    // No system has a file of such a name. Below a device nothing can be made either, but an empty
    // root has no devices, and there the directories would be made.
    let nowhere = Path::new("/\0");
    Places {
        config_file: nowhere.join("mcp.json"),
        config_dir: nowhere.to_path_buf(),
        state_dir: nowhere.join("state"),
    }
}

/// `--config` and `--config-dir`. What was typed beats what is in the environment, also across the
/// two: with `ONE_MCP_CONFIG` exported, `--config-dir /tmp/x` means `/tmp/x/mcp.json`.
fn chosen(line: &Line) -> (Option<&std::ffi::OsStr>, Option<&std::ffi::OsStr>) {
    let (file, dir) = (line.raw("config"), line.raw("config-dir"));
    let typed = |long: &str| !line.is_from_variable(long);
    match (file, dir) {
        (Some(_), Some(_)) if typed("config-dir") && !typed("config") => (None, dir),
        (Some(_), Some(_)) if typed("config") && !typed("config-dir") => (file, None),
        both => both,
    }
}

fn full(path: &Path) -> Result<PathBuf, Failure> {
    if path.as_os_str().is_empty() {
        return Err(Failure::Usage("a path must not be empty".to_owned()));
    }
    absolute(path).map_err(|error| {
        let why = reason(&error);
        Failure::Failed(format!(
            "finding the current directory: {why}; give whole paths"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::args::parse;
    use super::*;

    fn places(args: &[&str], variables: &[(&str, &str)]) -> Result<Places, Failure> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let line = parse(args.iter().map(OsString::from), variable).unwrap();
        resolve(&line, variable)
    }

    fn shown(args: &[&str], variables: &[(&str, &str)]) -> String {
        let places = places(args, variables).unwrap();
        format!(
            "{} {} {}",
            places.config_file.display(),
            places.config_dir.display(),
            places.state_dir.display()
        )
    }

    #[test]
    fn contract_2_directories() {
        let home = ("HOME", "/h");
        for (args, variables, expected) in [
            (
                &[][..],
                &[home][..],
                "/h/.config/1mcp/mcp.json /h/.config/1mcp /h/.local/state/1mcp",
            ),
            (
                &[],
                &[home, ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s")],
                "/c/1mcp/mcp.json /c/1mcp /s/1mcp",
            ),
            (
                &[],
                &[home, ("XDG_CONFIG_HOME", "c"), ("XDG_STATE_HOME", "")],
                "/h/.config/1mcp/mcp.json /h/.config/1mcp /h/.local/state/1mcp",
            ),
            (
                &[],
                &[("XDG_CONFIG_HOME", "/c")],
                "/c/1mcp/mcp.json /c/1mcp /c/1mcp/state",
            ),
            (&["-d", "/d"], &[home], "/d/mcp.json /d /d/state"),
            (&["-c", "/d/x.json"], &[home], "/d/x.json /d /d/state"),
            (
                &["-c", "/e/x.json", "-d", "/d"],
                &[],
                "/e/x.json /d /d/state",
            ),
            (
                &[],
                &[home, ("ONE_MCP_CONFIG_DIR", "/d")],
                "/d/mcp.json /d /d/state",
            ),
            (
                &["-d", "/d"],
                &[("ONE_MCP_CONFIG", "/e/x.json")],
                "/d/mcp.json /d /d/state",
            ),
            (
                &["-c", "/e/x.json"],
                &[("ONE_MCP_CONFIG_DIR", "/d")],
                "/e/x.json /e /e/state",
            ),
        ] {
            assert_eq!(shown(args, variables), expected, "{args:?} {variables:?}");
        }
        let here = std::env::current_dir().unwrap();
        let relative = places(&["-d", "x"], &[]).unwrap();
        assert_eq!(relative.config_dir, here.join("x"));
    }

    #[test]
    fn a_machine_without_home_is_told_what_to_do() {
        let error = places(&[], &[]).unwrap_err();
        assert!(error.line().unwrap().contains("--config-dir"));
        let error = places(&["-d", ""], &[("HOME", "/h")]).unwrap_err();
        assert_eq!(error.code(), 2);
    }
}
