//! Which application is meant, and which files it has on this machine.

use std::fs;
use std::path::{Component, Path, PathBuf};

use onemcp::config::apps::{self, App, Candidate, Level, Platform, Surroundings};

use crate::cli::failure::Failure;
use crate::cli::{suggest, variable};

/// Names that a `*` of a path is compared with; what a directory holds beyond is not looked at.
const NAMES_MAX: usize = 10_000;

/// The application of this id or alias.
pub(super) fn find(name: &str) -> Result<&'static App, Failure> {
    let typed = name.trim().to_lowercase().replace([' ', '_'], "-");
    if let Some(app) = apps::find(&typed) {
        return Ok(app);
    }
    let names = apps::all()
        .iter()
        .flat_map(|app| std::iter::once(&app.id).chain(app.aliases));
    let hint = suggest::hint(&typed, names.copied(), "");
    let hint = match &hint[..] {
        "" => "; 1mcp app list shows those that are known".to_owned(),
        _ => hint,
    };
    Err(Failure::Usage(format!(
        "unknown application {name:?}{hint}"
    )))
}

/// The applications that were named, each once.
pub(super) fn find_all(operands: &[std::ffi::OsString]) -> Result<Vec<&'static App>, Failure> {
    let mut found: Vec<&'static App> = Vec::new();
    for operand in operands {
        let app = find(&operand.to_string_lossy())?;
        if !found.iter().any(|other| other.id == app.id) {
            found.push(app);
        }
    }
    Ok(found)
}

/// What the paths of this machine are made of.
pub(super) fn surroundings() -> Result<Surroundings, Failure> {
    let directory = |name: &str| {
        let value = variable(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let Some(home) = directory("HOME").or_else(|| directory("USERPROFILE")) else {
        let text = "HOME is not set, so the files of applications cannot be found: set it";
        return Err(Failure::Failed(text.to_owned()));
    };
    let or_below = |name: &str, below: &str| directory(name).unwrap_or_else(|| home.join(below));
    Ok(Surroundings {
        platform: if cfg!(target_os = "macos") {
            Platform::MacOs
        } else if cfg!(windows) {
            Platform::Windows
        } else {
            Platform::Linux
        },
        config_home: or_below("XDG_CONFIG_HOME", ".config"),
        app_data: or_below("APPDATA", "AppData/Roaming"),
        local_app_data: or_below("LOCALAPPDATA", "AppData/Local"),
        // Without a current directory there is no project either.
        project: std::env::current_dir().ok(),
        home,
    })
}

/// A file that an application has or could have here.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Absolute; links not followed.
    pub(super) path: PathBuf,
    /// Whether there is something, be it a link that leads nowhere.
    pub(super) exists: bool,
    /// Whether the application was ever used here.
    pub(super) traced: bool,
    /// What the application is known to do with it.
    pub(super) candidate: Candidate,
}

impl Place {
    /// Whether it belongs to a project.
    pub(super) fn is_project(&self) -> bool {
        self.candidate.level == Level::Project
    }
}

/// Its files, best first, every `*` replaced by what is there.
pub(super) fn places(app: &App, around: &Surroundings) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for candidate in app.candidates(around) {
        let traced = !expand(&candidate.trace).is_empty();
        for path in expand_file(&candidate.path) {
            // In the home directory a project's file may be the user's own.
            if places.iter().any(|other| other.path == path) {
                continue;
            }
            places.push(Place {
                exists: fs::symlink_metadata(&path).is_ok(),
                traced: traced || path.exists(),
                path,
                candidate: candidate.clone(),
            });
        }
    }
    places
}

/// Whether a file of this path can be one of the application's, be it there or not. A project may
/// be anywhere, so of its files only the end counts.
pub(super) fn can_be_of(app: &App, around: &Surroundings, path: &Path) -> bool {
    let is_plain =
        path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    is_plain
        && app.candidates(around).iter().any(|candidate| {
            let project = around.project.as_deref();
            match project.and_then(|project| candidate.path.strip_prefix(project).ok()) {
                Some(end) if candidate.level == Level::Project => path.ends_with(end),
                _ => fits(&candidate.path, path),
            }
        })
}

fn fits(pattern: &Path, path: &Path) -> bool {
    let text = |part: Component<'_>| part.as_os_str().to_string_lossy().into_owned();
    let mut patterns = pattern.components();
    let mut parts = path.components();
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part))
                if pattern == part || apps::component_matches(&text(pattern), &text(part)) => {}
            _ => return false,
        }
    }
}

/// As [`expand`], but a path without `*` is itself, be it there or not; and where only directories
/// hold a `*`, the file in them need not be there.
fn expand_file(path: &Path) -> Vec<PathBuf> {
    if !has_star(path) {
        return vec![path.to_path_buf()];
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !name.to_string_lossy().contains('*') => {
            let parents = expand(parent).into_iter();
            parents.map(|parent| parent.join(name)).collect()
        }
        _ => expand(path),
    }
}

/// Everything there is that the path means.
fn expand(path: &Path) -> Vec<PathBuf> {
    if !has_star(path) {
        return if path.exists() {
            vec![path.to_path_buf()]
        } else {
            Vec::new()
        };
    }
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let text = component.as_os_str().to_string_lossy();
        found = match component {
            Component::Normal(_) if text.contains('*') => found
                .iter()
                .flat_map(|directory| matching(directory, &text))
                .collect(),
            other => found.iter().map(|path| path.join(other)).collect(),
        };
    }
    found.retain(|path| path.exists());
    found
}

fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries
        .take(NAMES_MAX)
        .map(|entry| entry.file_name())
        .filter(|name| apps::component_matches(pattern, &name.to_string_lossy()));
    let mut paths: Vec<PathBuf> = names.map(|name| directory.join(name)).collect();
    paths.sort();
    paths
}

fn has_star(path: &Path) -> bool {
    path.to_string_lossy().contains('*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;

    #[test]
    fn contract_6_only_the_applications_own_files_are_its_files() {
        let around = Surroundings {
            platform: Platform::Linux,
            home: "/h".into(),
            config_home: "/h/.config".into(),
            app_data: "/h/a".into(),
            local_app_data: "/h/l".into(),
            project: Some("/p".into()),
        };
        for (id, path, expected) in [
            ("cursor", "/h/.cursor/mcp.json", true),
            ("cursor", "/p/.cursor/mcp.json", true),
            ("cursor", "/another/project/.cursor/mcp.json", true),
            ("cursor", "/h/../etc/.cursor/mcp.json", false),
            ("cursor", ".cursor/mcp.json", false),
            ("cursor", "/etc/passwd", false),
            (
                "vscode",
                "/h/.config/Code/User/profiles/-1a2b/mcp.json",
                true,
            ),
            (
                "vscode",
                "/h/.config/Code/User/profiles/-1a2b/x/mcp.json",
                false,
            ),
            ("claude-desktop", "/h/.cursor/mcp.json", false),
        ] {
            let app = find(id).unwrap();
            assert_eq!(
                can_be_of(app, &around, Path::new(path)),
                expected,
                "{id} {path}"
            );
        }
    }

    #[test]
    fn contract_6_a_star_is_what_is_there() {
        let dir = TempDir::new();
        let profiles = dir.path().join("User/profiles");
        for name in ["-2b1c", "a"] {
            fs::create_dir_all(profiles.join(name)).unwrap();
        }
        fs::write(profiles.join("a/mcp.json"), "{}").unwrap();
        let pattern = profiles.join("*/mcp.json");
        assert_eq!(expand(&pattern), [profiles.join("a/mcp.json")]);
        assert_eq!(
            expand_file(&pattern),
            [profiles.join("-2b1c/mcp.json"), profiles.join("a/mcp.json")]
        );
        let none = dir.path().join("none*/mcp.json");
        assert!(expand_file(&none).is_empty());
        let plain = dir.path().join("x.json");
        assert!(expand(&plain).is_empty());
        assert_eq!(expand_file(&plain), [plain]);
    }

    #[test]
    fn contract_6_an_unknown_application_is_a_wrong_usage() {
        let failure = find("frobnicator-of-worlds").unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.line().unwrap().contains("1mcp app list"));
    }
}
