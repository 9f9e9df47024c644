//! Counts the memory that a thread takes.

#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// More than any target may take in all: what asks for it gets nothing, which ends the test.
const END: usize = 4 << 30;

thread_local! {
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// From now on the most that is taken is counted, from nothing.
pub(crate) fn begin() {
    TAKEN.set(0);
    MOST.set(0);
}

/// The most bytes that this thread had taken at once since [`begin`].
pub(crate) fn most_taken() -> usize {
    usize::try_from(MOST.get()).unwrap()
}

fn count(more: usize, less: usize) {
    let taken = TAKEN
        .get()
        .wrapping_add_unsigned(more)
        .wrapping_sub_unsigned(less);
    TAKEN.set(taken);
    MOST.set(MOST.get().max(taken));
}

/// The system's, counted by thread.
struct Counting;

// SAFETY: all is done by the system's allocator. A cell of a constant and without a destructor allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > END {
            return std::ptr::null_mut();
        }
        count(layout.size(), 0);
        // SAFETY: as the caller promised. Likewise below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > END {
            return std::ptr::null_mut();
        }
        count(layout.size(), 0);
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > END {
            return std::ptr::null_mut();
        }
        count(size, layout.size());
        // SAFETY: see above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
