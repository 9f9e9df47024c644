//! The `grtmon` command. Everything is in the library; see `grtmon::cmd`.

#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::process::ExitCode;

fn main() -> ExitCode {
    grtmon::cmd::main()
}

/// The system's allocator; where that fails, grtmon ends with a line that says so, and not by a signal.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn had(pointer: *mut u8, wanted: usize) -> *mut u8 {
    if pointer.is_null() {
        grtmon::cmd::out_of_memory(wanted);
    }
    pointer
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised. Likewise below.
        had(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: see above.
        had(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: see above.
        had(unsafe { System.realloc(pointer, layout, size) }, size)
    }
}
