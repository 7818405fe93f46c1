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
