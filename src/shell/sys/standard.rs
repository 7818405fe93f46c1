//! Standard descriptors that whoever started us left closed.
//!
//! The standard library opens `/dev/null` in their place before `main`, and where there is none, in
//! an empty root, it ends the process without a word. So what it would miss is filled in before it
//! looks. Reading such a descriptor finds its end at once, and writing finds nobody.

use std::ptr;

/// Run by the C library before the standard library begins.
#[used]
// SAFETY: the section holds pointers to functions of this kind, and the linker keeps them in it.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = fill;

/// Makes sure that 0, 1 and 2 are open, so that no later file gets one of these numbers.
extern "C" fn fill() {
    for fd in 0..=2 {
        // SAFETY: F_GETFD touches no memory.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            open_lowest();
        }
    }
}

/// Opens the lowest number that is free, which is the one found closed.
fn open_lowest() {
    // SAFETY: the path is a C string.
    if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } != -1 {
        return;
    }
    // One end of a pair whose other end is closed at once. The lower number comes first.
    let mut pair = [-1; 2];
    // SAFETY: `pair` is room for two descriptors.
    let made = unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_STREAM,
            0,
            ptr::from_mut(&mut pair).cast(),
        )
    };
    if made == 0 {
        // SAFETY: it is ours alone, and nobody knows of it.
        let _closed = unsafe { libc::close(pair[1]) };
    }
}
