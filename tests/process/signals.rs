//! Signals, and the end in all its forms: nobody is left behind.

use std::process::{Command, Stdio};

use crate::gateway::{
    Home, Running, Session, binary, children_of, fixture, processes_with, signal, until, wait,
};

/// A server that survives the end of its input and SIGTERM, behind a shell that does the same, and
/// a grandchild that does as well. The marker is in the command line of every one of them.
fn stubborn(home: &Home) -> String {
    let marker = home.path();
    format!(
        "trap '' TERM; marker={marker}; sh -c 'trap \"\" TERM; while :; do sleep 1000; done' {marker} & \
         {} --ignore-eof --ignore-term --fork --name {marker}; while :; do sleep 1000; done",
        fixture()
    )
}

fn with_stubborn_server() -> Home {
    let home = Home::new();
    let script = stubborn(&home);
    home.configure(&[("good", &fixture(), &[]), ("bad", "sh", &["-c", &script])]);
    home
}

/// Everything that the servers of this home consist of, without the gateway and its guard.
fn servers(home: &Home) -> usize {
    let found = processes_with(home.path());
    let ours = |command: &str| command.contains("serve --config-dir");
    found.iter().filter(|found| !ours(&found.command)).count()
}

#[test]
fn kill_9_leaves_no_child_and_no_grandchild() {
    let home = with_stubborn_server();
    let mut gateway = Running::start(&mut home.http());
    gateway.logged("server=bad ready");
    gateway.logged("server=good ready");
    let children = children_of(gateway.pid());
    let guard = children
        .iter()
        .find(|child| child.command.contains("__guard"));
    let guard = guard.unwrap().pid;
    assert_eq!(children.len(), 3, "{children:?}");
    assert!(servers(&home) >= 3);
    gateway.signal("KILL");
    gateway.wait();
    until("every process of the servers is gone", || {
        servers(&home) == 0
    });
    let gone = |pid: u32| !processes_with("").iter().any(|found| found.pid == pid);
    until("the guard is gone", || gone(guard));
    for child in children {
        until("every child is gone", || gone(child.pid));
    }
}

#[test]
fn sigterm_and_sigint_stop_everything_and_exit_0() {
    for name in ["TERM", "INT"] {
        let home = with_stubborn_server();
        let mut gateway = Running::start(&mut home.http());
        gateway.logged("server=bad ready");
        gateway.signal(name);
        assert_eq!(gateway.wait().code(), Some(0));
        assert_eq!(servers(&home), 0, "{:?}", processes_with(home.path()));
    }
}

#[test]
fn a_second_sigterm_exits_at_once_and_the_guard_does_the_rest() {
    let home = with_stubborn_server();
    let mut gateway = Running::start(&mut home.http());
    gateway.logged("server=bad ready");
    gateway.signal("TERM");
    gateway.logged("stopping");
    gateway.signal("TERM");
    // 0 if the staged stop was done before the second signal came.
    assert!(matches!(gateway.wait().code(), Some(0 | 1)));
    until("every process of the servers is gone", || {
        servers(&home) == 0
    });
}

#[test]
fn the_end_of_stdin_stops_everything() {
    let home = with_stubborn_server();
    let mut command = home.stdio();
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut gateway = Running::start(&mut command);
    use std::io::Write;
    let mut stdin = gateway.child.stdin.take().unwrap();
    writeln!(stdin, "{}", crate::gateway::INITIALIZE).unwrap();
    gateway.logged("server=bad ready");
    drop(stdin);
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(servers(&home), 0);
}

#[test]
fn sighup_reloads_and_under_nohup_it_is_ignored() {
    let home = Home::with(&[("a", &fixture(), &[])]);
    // setsid: the terminal of whoever runs the tests is not ours.
    let mut command = Command::new("setsid");
    command.args([
        binary(),
        "serve",
        "-d",
        home.path(),
        "-P",
        "0",
        "--no-config-reload",
    ]);
    let gateway = Running::start(&mut command);
    gateway.logged("server=a ready");
    home.configure(&[("a", &fixture(), &[]), ("b", &fixture(), &[])]);
    gateway.signal("HUP");
    gateway.logged("server=b ready");

    let mut command = Command::new("sh");
    let serve = "trap '' HUP; exec \"$0\" serve -d \"$1\" -P 0";
    command.args(["-c", serve, binary(), home.path()]);
    let mut ignoring = Running::start(&mut command);
    ignoring.logged("server=b ready");
    ignoring.signal("HUP");
    ignoring.signal("TERM");
    assert_eq!(ignoring.wait().code(), Some(0));
    assert!(!ignoring.log().contains("read again"));
}

#[test]
fn a_terminal_that_goes_away_is_the_end() {
    let home = Home::with(&[("a", &fixture(), &[])]);
    let log = home.file("log");
    let serve = format!(
        "{} serve -d {} -P 0 --log-file {}",
        binary(),
        home.path(),
        log.display()
    );
    let spawned = Command::new("script")
        .args(["-qec", &format!("exec {serve}"), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut terminal) = spawned else {
        return;
    };
    until("the server is ready", || {
        home.text("log").contains("server=a ready")
    });
    // The owner of the terminal dies, as a closed window does.
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until("it stops", || home.text("log").contains("server=a stopped"));
    until("nobody is left", || processes_with(home.path()).is_empty());
}

#[test]
fn a_guard_that_is_killed_is_started_anew_and_still_guards() {
    let home = with_stubborn_server();
    let mut gateway = Running::start(&mut home.http());
    gateway.logged("server=bad ready");
    gateway.logged("server=good ready");
    let guard = || {
        let children = children_of(gateway.pid());
        let guard = children
            .iter()
            .find(|child| child.command.contains("__guard"));
        guard.map(|guard| guard.pid)
    };
    let first = guard().unwrap();
    signal(first, "KILL");
    until("another guard runs", || {
        guard().is_some_and(|pid| pid != first)
    });
    gateway.logged("guard process was killed");
    gateway.signal("KILL");
    gateway.wait();
    until("every process of the servers is gone", || {
        servers(&home) == 0
    });
}

#[test]
fn the_guard_holds_nothing_open_and_ends_with_us() {
    let home = Home::with(&[("a", &fixture(), &[])]);
    let mut gateway = Running::start(&mut home.http());
    gateway.logged("server=a ready");
    let children = children_of(gateway.pid());
    let guard = children
        .iter()
        .find(|child| child.command.contains("__guard"));
    let guard = guard.unwrap();
    assert_eq!(guard.session, guard.pid, "a session of its own");
    let open = std::fs::read_dir(format!("/proc/{}/fd", guard.pid)).unwrap();
    let open: Vec<String> = open
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.ok()?.path()).ok()?;
            Some(target.to_string_lossy().into_owned())
        })
        .collect();
    assert_eq!(open.len(), 3);
    assert!(open[0].starts_with("socket:"));
    assert!(open.iter().all(|target| *target == open[0]), "{open:?}");
    // Signals to the whole terminal group must not end it.
    for name in ["TERM", "INT", "HUP"] {
        signal(guard.pid, name);
    }
    assert_eq!(Session::open(&gateway.address()).echo("a"), "hello");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    let guard = guard.pid;
    assert!(
        !processes_with("__guard")
            .iter()
            .any(|found| found.pid == guard)
    );
}

#[test]
fn what_our_parent_leaked_reaches_no_child() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let script = format!(
        "ls -l /proc/self/fd >{}/fds; exec {}",
        home.path(),
        fixture()
    );
    home.configure(&[("a", "sh", &["-c", &script])]);
    // A descriptor without close-on-exec, as careless parents leave behind.
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec \"$0\" serve -d \"$1\" -P 0 7<&0",
            binary(),
            home.path(),
        ])
        .stdin(reader);
    let gateway = Running::start(&mut command);
    gateway.logged("server=a ready");
    let listing = home.text("fds");
    assert!(!listing.contains(" 7 -> "), "{listing}");
    drop(writer);
}

#[test]
fn sigterm_before_anything_is_ready_is_obeyed_too() {
    let home = Home::with(&[("a", &fixture(), &["--hang"])]);
    let mut gateway = Running::start(&mut home.http());
    gateway.address();
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    until("nobody is left", || processes_with(home.path()).is_empty());
    let mut version = Command::new(binary()).arg("--version").spawn().unwrap();
    assert!(wait(&mut version).success());
}
