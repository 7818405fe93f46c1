//! Which directories and files have to be watched so that no change of a file goes unnoticed: the
//! directory of the file, every directory along a chain of symbolic links, and the nearest
//! existing ancestor of what does not exist (yet).
//!
//! Only looks at the file system; watches nothing itself.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use onemcp::limits::SYMLINKS_MAX;

/// Directories in which something decides what a path leads to, and the file at its end if there
/// is one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Each once.
    pub(crate) directories: Vec<PathBuf>,
    /// Each once.
    pub(crate) files: Vec<PathBuf>,
}

impl Places {
    /// Adds what has to be watched for `path`, which must be absolute.
    pub(crate) fn add(&mut self, path: &Path) {
        let mut rest: VecDeque<OsString> = VecDeque::new();
        push_front(&mut rest, path);
        let mut base = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                base.pop();
                continue;
            }
            let here = base.join(&name);
            let is_last = rest.is_empty();
            match fs::symlink_metadata(&here) {
                Ok(found) if found.is_symlink() => {
                    self.directory(&base);
                    links += 1;
                    let Ok(target) = fs::read_link(&here) else {
                        return;
                    };
                    if links > SYMLINKS_MAX {
                        return;
                    }
                    if target.is_absolute() {
                        base = PathBuf::from("/");
                    }
                    push_front(&mut rest, &target);
                }
                Ok(_) if is_last => {
                    self.directory(&base);
                    if !self.files.contains(&here) {
                        self.files.push(here);
                    }
                    return;
                }
                Ok(found) if found.is_dir() => base = here,
                // A file where a directory should be, or nothing, or a closed door: what changes
                // that happens here.
                Ok(_) | Err(_) => return self.directory(&base),
            }
        }
    }

    fn directory(&mut self, path: &Path) {
        if !self.directories.iter().any(|known| known == path) {
            self.directories.push(path.to_path_buf());
        }
    }

    /// Whether some of the files is mounted on its own: what happens to the file of that name on
    /// the host is then seen by nobody in here.
    pub(crate) fn has_mounted_file(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| -> io::Result<u64> { Ok(fs::metadata(path)?.dev()) };
        self.files.iter().any(|file| {
            let directory = file.parent().unwrap_or(file);
            matches!((device(file), device(directory)), (Ok(a), Ok(b)) if a != b)
        })
    }
}

fn push_front(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;
    use std::os::unix::fs::symlink;

    fn places(path: &Path) -> Places {
        let mut places = Places::default();
        places.add(path);
        places
    }

    #[test]
    fn a_plain_file_needs_its_directory_and_itself() {
        let dir = TempDir::new();
        let file = dir.path().join("mcp.json");
        fs::write(&file, "{}").unwrap();
        let mut found = places(&file);
        assert_eq!(found.directories, [dir.path()]);
        assert_eq!(found.files, std::slice::from_ref(&file));
        found.add(&dir.path().join(".env"));
        assert_eq!((found.directories.len(), found.files.len()), (1, 1));
        assert!(!found.has_mounted_file());
    }

    #[test]
    fn what_does_not_exist_needs_its_nearest_existing_ancestor() {
        let dir = TempDir::new();
        let found = places(&dir.path().join("a/b/mcp.json"));
        assert_eq!(found.directories, [dir.path()]);
        assert!(found.files.is_empty());
    }

    #[test]
    fn every_directory_along_a_chain_of_links_is_watched() {
        // As Kubernetes mounts a ConfigMap: mcp.json -> ..data/mcp.json, ..data -> ..2026/.
        let dir = TempDir::new();
        let d = dir.path();
        fs::create_dir_all(d.join("..2026")).unwrap();
        fs::create_dir_all(d.join("home/config")).unwrap();
        fs::write(d.join("..2026/mcp.json"), "{}").unwrap();
        symlink("..2026", d.join("..data")).unwrap();
        symlink("..data/mcp.json", d.join("mcp.json")).unwrap();
        symlink(d.join("mcp.json"), d.join("home/config/mcp.json")).unwrap();
        symlink("home/../home", d.join("alias")).unwrap();
        let found = places(&d.join("alias/config/mcp.json"));
        assert_eq!(
            found.directories,
            [d.to_path_buf(), d.join("home/config"), d.join("..2026")]
        );
        assert_eq!(found.files, [d.join("..2026/mcp.json")]);
    }

    #[test]
    fn symlinks_max_ends_a_loop() {
        let dir = TempDir::new();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        let found = places(&dir.path().join("a"));
        assert_eq!(found.directories, [dir.path()]);
        assert!(found.files.is_empty());
    }
}
