//! Where the files are, on three platforms.

use super::*;

fn paths(platform: Platform, id: &str) -> Vec<String> {
    let around = Surroundings {
        platform,
        home: PathBuf::from("/h"),
        config_home: PathBuf::from("/x"),
        app_data: PathBuf::from("/r"),
        local_app_data: PathBuf::from("/l"),
        project: None,
    };
    let candidates = find(id).unwrap().candidates(&around);
    let paths = candidates
        .iter()
        .map(|one| one.path.to_str().unwrap().to_owned());
    paths.collect()
}

#[test]
fn contract_6_paths() {
    const SUPPORT: &str = "/h/Library/Application Support";
    let storage = |base: &str, below: &str| format!("{base}/Code/User/globalStorage/{below}");
    let roo = "rooveterinaryinc.roo-cline/settings/mcp_settings.json";
    let cline = "saoudrizwan.claude-dev/settings/cline_mcp_settings.json";
    let desktop = "Claude/claude_desktop_config.json";
    for (id, linux, mac, windows) in [
        (
            "claude-desktop",
            format!("/x/{desktop}"),
            format!("{SUPPORT}/{desktop}"),
            format!("/r/{desktop}"),
        ),
        (
            "claude-code",
            "/h/.claude.json".into(),
            "/h/.claude.json".into(),
            "/h/.claude.json".into(),
        ),
        (
            "cursor",
            "/h/.cursor/mcp.json".into(),
            "/h/.cursor/mcp.json".into(),
            "/h/.cursor/mcp.json".into(),
        ),
        (
            "vscode",
            "/x/Code/User/mcp.json".into(),
            format!("{SUPPORT}/Code/User/mcp.json"),
            "/r/Code/User/mcp.json".into(),
        ),
        (
            "gemini-cli",
            "/h/.gemini/settings.json".into(),
            "/h/.gemini/settings.json".into(),
            "/h/.gemini/settings.json".into(),
        ),
        (
            "augment",
            "/x/Code/User/settings.json".into(),
            format!("{SUPPORT}/Code/User/settings.json"),
            "/r/Code/User/settings.json".into(),
        ),
        (
            "roo-code",
            storage("/x", roo),
            storage(SUPPORT, roo),
            storage("/r", roo),
        ),
        (
            "cline",
            storage("/x", cline),
            storage(SUPPORT, cline),
            storage("/r", cline),
        ),
        (
            "windsurf",
            "/h/.codeium/windsurf/mcp_config.json".into(),
            "/h/.codeium/windsurf/mcp_config.json".into(),
            "/h/.codeium/windsurf/mcp_config.json".into(),
        ),
        (
            "zed",
            "/x/zed/settings.json".into(),
            "/h/.config/zed/settings.json".into(),
            "/r/Zed/settings.json".into(),
        ),
    ] {
        assert_eq!(paths(Platform::Linux, id)[0], linux);
        assert_eq!(paths(Platform::MacOs, id)[0], mac);
        assert_eq!(paths(Platform::Windows, id)[0], windows);
    }
}

#[test]
fn contract_6_other_editions() {
    let desktop = paths(Platform::Windows, "claude-desktop");
    let packaged = "/l/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json";
    assert_eq!(desktop[1], packaged);
    assert_eq!(paths(Platform::Linux, "claude-desktop").len(), 1);
    let code = paths(Platform::Linux, "vscode");
    for path in [
        "/x/Code/User/profiles/*/mcp.json",
        "/x/Code/User/settings.json",
        "/x/Code - Insiders/User/mcp.json",
        "/x/Code - Insiders/User/profiles/*/mcp.json",
        "/x/VSCodium/User/mcp.json",
    ] {
        assert!(code.iter().any(|one| one == path), "{path}");
    }
    let candidates = find("vscode").unwrap().candidates(&around());
    for place in &candidates {
        // What gets no entry of ours has a newer place before it.
        let newer = candidates.iter().find(|other| {
            (other.level, other.variant) == (place.level, place.variant) && other.gets_entry
        });
        assert!(newer.is_some(), "{}", place.path.display());
        assert_eq!(place.gets_entry, !place.path.ends_with("settings.json"));
    }
    assert!(paths(Platform::Linux, "augment").contains(&"/h/.augment/settings.json".to_owned()));
    let folder = "rooveterinaryinc.roo-cline/settings/mcp_settings.json";
    let insiders = format!("/x/Code - Insiders/User/globalStorage/{folder}");
    assert!(paths(Platform::Linux, "roo-code").contains(&insiders));
}

#[test]
fn contract_6_projects() {
    for (id, expected) in [
        ("claude-desktop", &[][..]),
        ("claude-code", &["/work/p/.mcp.json"]),
        ("cursor", &["/work/p/.cursor/mcp.json"]),
        (
            "vscode",
            &["/work/p/.vscode/mcp.json", "/work/p/.vscode/settings.json"],
        ),
        ("gemini-cli", &["/work/p/.gemini/settings.json"]),
        ("augment", &[]),
        ("roo-code", &["/work/p/.roo/mcp.json"]),
        ("cline", &[]),
        ("windsurf", &[]),
        ("zed", &["/work/p/.zed/settings.json"]),
    ] {
        let candidates = find(id).unwrap().candidates(&around());
        let project = candidates.iter().filter(|one| one.level == Level::Project);
        let paths: Vec<&str> = project
            .map(|one| {
                assert!(!one.may_create);
                one.path.to_str().unwrap()
            })
            .collect();
        assert_eq!(paths, expected, "{id}");
    }
}

#[test]
fn in_the_home_directory_the_file_of_the_project_is_that_of_the_user() {
    let around = Surroundings {
        project: Some(PathBuf::from("/home/u")),
        ..around()
    };
    for id in ["cursor", "gemini-cli"] {
        assert_eq!(find(id).unwrap().candidates(&around).len(), 1);
    }
    assert_eq!(find("claude-code").unwrap().candidates(&around).len(), 2);
}

#[test]
fn every_application_is_found_by_id_and_alias() {
    let ids: Vec<&str> = all().iter().map(|app| app.id).collect();
    assert_eq!(
        ids,
        [
            "claude-desktop",
            "claude-code",
            "cursor",
            "vscode",
            "gemini-cli",
            "augment",
            "roo-code",
            "cline",
            "windsurf",
            "zed",
            "cherry-studio",
            "continue"
        ]
    );
    assert_eq!(find("gemini-code").unwrap().id, "gemini-cli");
    assert_eq!(find("augment-code").unwrap().id, "augment");
    assert!(find("emacs").is_none());
    let mut names: Vec<&str> = all()
        .iter()
        .flat_map(|app| app.aliases.iter().chain([&app.id]))
        .copied()
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn stars_in_paths() {
    assert!(component_matches("Claude_*", "Claude_pzs8sxrjxfjjc"));
    assert!(!component_matches("Claude_*", "Other"));
    assert!(component_matches("*", "anything"));
}

#[test]
fn by_hand() {
    for id in ["cherry-studio", "continue"] {
        let app = find(id).unwrap();
        assert_eq!(app.kind, Kind::Manual);
        assert!(app.candidates(&around()).is_empty() && !app.takes_url());
        let text = app.instructions(&own());
        assert!(
            text.contains("/opt/bin/1mcp") && text.contains("--transport"),
            "{text}"
        );
        assert!(
            app.instructions(&OwnEntry::Url("http://h/mcp".into()))
                .contains("http://h/mcp")
        );
        let candidate = candidate("cursor", 0);
        let request = Request {
            app_text: b"",
            level: Level::User,
            mcp_text: b"",
            own: Some(&own()),
            own_path: None,
            running: &[],
            around: &around(),
        };
        assert_eq!(
            consolidate(app, candidate.file, &request),
            Err(Refusal::Manual)
        );
        let inspection = inspect(app, candidate.file, &request).unwrap();
        assert_eq!(inspection.state, State::None);
    }
    let desktop = find("claude-desktop").unwrap();
    assert!(!desktop.takes_url());
    let text = desktop.instructions(&OwnEntry::Url("https://h/mcp".into()));
    assert!(
        text.contains("https://h/mcp") && text.contains("Connectors"),
        "{text}"
    );
}
