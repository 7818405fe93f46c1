//! The queue of file events of Linux, behind safe signatures. One unsafe operation per block.
#![expect(unsafe_code, reason = "a part of the one place that calls libc")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::outcome;

/// Opens a queue of file events; an error where the system has none.
pub(crate) fn inotify_open() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::FromRawFd;
        // SAFETY: has no preconditions.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        outcome(fd.min(0))?;
        // SAFETY: the kernel just gave us this descriptor and nobody else has it.
        Ok(unsafe { File::from_raw_fd(fd) })
    }
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Watches a path; the same file gives the same number again.
pub(crate) fn inotify_add(queue: &File, path: &Path, mask: u32) -> io::Result<i32> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    #[cfg(target_os = "linux")]
    {
        // SAFETY: `path` is a C string that lives through the call.
        let watch = unsafe { libc::inotify_add_watch(queue.as_raw_fd(), path.as_ptr(), mask) };
        outcome(watch.min(0))?;
        Ok(watch)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unused = (queue, path, mask);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Ends a watch.
pub(crate) fn inotify_remove(queue: &File, watch: i32) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: takes two integers.
        let _done = unsafe { libc::inotify_rm_watch(queue.as_raw_fd(), watch) };
    }
    #[cfg(not(target_os = "linux"))]
    let _unused = (queue, watch);
}
