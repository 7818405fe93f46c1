//! The unwinder that the static release does without.
//!
//! A release aborts on panic, has no symbols, and tells a panic in one line of its own. The
//! standard library cannot know that: it brings an unwinder and a reader of debug information for a
//! backtrace that nobody will see, an eighth of the binary. These are the unwinder's entry points,
//! so that the linker looks for no other, and the optimiser sees that a backtrace has no frames to
//! describe.
//!
//! Only for musl, which links the unwinder statically, and never where a panic unwinds (tests).

use std::ffi::{c_int, c_void};
use std::process::abort;

/// `_URC_END_OF_STACK`: there are no more frames.
const END_OF_STACK: c_int = 5;

// SAFETY: (all below) the name and the signature are those of the unwinder's interface (Itanium C++
// ABI, exception handling), and nothing else in the program defines them.

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_visit: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Defines what is only reached while a panic unwinds, which none does.
macro_rules! never_called {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            abort()
        }
    )*};
}

never_called! {
    _Unwind_GetDataRelBase
    _Unwind_GetIP
    _Unwind_GetIPInfo
    _Unwind_GetLanguageSpecificData
    _Unwind_GetRegionStart
    _Unwind_GetTextRelBase
    _Unwind_Resume
    _Unwind_SetGR
    _Unwind_SetIP
}
