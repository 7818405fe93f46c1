//! The system calls about files that std lacks.

#[cfg(target_os = "linux")]
use std::ffi::CStr;
use std::ffi::CString;
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The most that Linux keeps in one extended attribute (`XATTR_SIZE_MAX`).
#[cfg(target_os = "linux")]
const ACCESS_LIST_BYTES_MAX: usize = 64 * 1024;

/// Whether this file may be written to; the error is the reason why not.
pub(crate) fn may_write(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `path` is a C string that lives through the call.
    super::outcome(unsafe { libc::access(path.as_ptr(), libc::W_OK) })
}

/// Gives a file the access list of another one, or none if that has none: a new file may have got
/// one from its directory. Where the system has other lists than Linux, nothing is done.
#[cfg(target_os = "linux")]
pub(crate) fn copy_access_list(from: &Path, to: &File) -> io::Result<()> {
    const NAME: &CStr = c"system.posix_acl_access";
    let from = CString::new(from.as_os_str().as_bytes())?;
    let mut list = vec![0_u8; ACCESS_LIST_BYTES_MAX];
    let into = list.as_mut_ptr().cast();
    // SAFETY: both names are C strings; `into` points to as many writable bytes as is told.
    let got = unsafe { libc::lgetxattr(from.as_ptr(), NAME.as_ptr(), into, list.len()) };
    if let Ok(length) = usize::try_from(got) {
        let (to, list) = (to.as_raw_fd(), list.as_ptr().cast());
        // SAFETY: the name is a C string; `list` points to at least `length` bytes.
        return super::outcome(unsafe { libc::fsetxattr(to, NAME.as_ptr(), list, length, 0) });
    }
    match io::Error::last_os_error() {
        error if matches!(error.raw_os_error(), Some(libc::ENODATA | libc::ENOENT)) => {
            // SAFETY: the name is a C string.
            let _had_one = unsafe { libc::fremovexattr(to.as_raw_fd(), NAME.as_ptr()) };
            Ok(())
        }
        error if matches!(error.raw_os_error(), Some(libc::ENOTSUP | libc::ENOSYS)) => Ok(()),
        error => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn copy_access_list(_from: &Path, _to: &File) -> io::Result<()> {
    Ok(())
}

/// Ends this process as `kill -9` does, for rehearsed failures.
#[cfg(feature = "fuzzing")]
pub(crate) fn kill_self() {
    // SAFETY: raising a signal has no precondition.
    let _never_returns = unsafe { libc::raise(libc::SIGKILL) };
}

/// Stops this process until SIGCONT, for rehearsed failures.
#[cfg(feature = "fuzzing")]
pub(crate) fn stop_self() {
    // SAFETY: raising a signal has no precondition.
    let _went_on = unsafe { libc::raise(libc::SIGSTOP) };
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// Tag, permissions, id; the version before them.
    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    fn give(path: &Path, list: &[u8]) -> bool {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
            return false;
        };
        let name = c"system.posix_acl_access".as_ptr();
        // SAFETY: two C strings, and as many bytes as are told.
        let done =
            unsafe { libc::setxattr(path.as_ptr(), name, list.as_ptr().cast(), list.len(), 0) };
        done == 0
    }

    #[test]
    fn an_access_list_is_taken_over_and_one_too_many_is_taken_away() {
        let dir = TempDir::new();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, "").unwrap();
        let file = File::create(&new).unwrap();
        // The group may do nothing, though the mask, which shows as its bits, says more.
        let none = u32::MAX;
        let entries = [
            (1, 6, none),
            (2, 6, 65534),
            (4, 0, none),
            (16, 6, none),
            (32, 0, none),
        ];
        if !give(&old, &list(&entries)) {
            return;
        }
        copy_access_list(&old, &file).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o660);
        let plain = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&new, plain).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o600);
        // Away with it: now the bits are the group's own, and those were none.
        fs::remove_file(&old).unwrap();
        copy_access_list(&old, &file).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o600);
        assert!(copy_access_list(&old, &file).is_ok(), "it had none");
    }
}
