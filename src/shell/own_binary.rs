//! Where our own file is, for the guard, the demo and whoever asks whether a command runs us.

use std::env;
use std::ffi::OsString;
use std::path::Path;

/// The path of this binary. Without `/proc` (an empty chroot, a minimal container) it is the name
/// we were called by, which leads there too as long as our own directory and `PATH` are meant.
pub(crate) fn own_binary() -> OsString {
    let called = || {
        let name = env::args_os().next().unwrap_or_else(|| "1mcp".into());
        absolute(name, env::current_dir().ok().as_deref())
    };
    env::current_exe().map_or_else(|_| called(), OsString::from)
}

/// A name with a directory in it is made absolute, since children may run elsewhere.
fn absolute(name: OsString, here: Option<&Path>) -> OsString {
    let path = Path::new(&name);
    match here {
        Some(here) if path.is_relative() && path.components().count() > 1 => {
            here.join(path).into_os_string()
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_directory_become_absolute_and_others_are_left_to_path() {
        let here = Path::new("/somewhere");
        for (name, path) in [
            ("./1mcp", "/somewhere/./1mcp"),
            ("bin/1mcp", "/somewhere/bin/1mcp"),
            ("/1mcp", "/1mcp"),
            ("1mcp", "1mcp"),
        ] {
            assert_eq!(absolute(name.into(), Some(here)), path);
        }
        assert_eq!(absolute("./1mcp".into(), None), "./1mcp");
        assert!(Path::new(&own_binary()).is_absolute());
    }
}
