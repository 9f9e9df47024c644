//! What is said when memory runs out (`ulimit -v`, a control group's limit of address space), which would otherwise end
//! grtmon by SIGABRT with a terminal in raw mode: nothing can be allocated any more, so it is said with what is there.

#![allow(unsafe_code)]

use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use nix::libc;

/// The modes of the terminal, before anybody changed them.
static TERMINAL: OnceLock<libc::termios> = OnceLock::new();

/// Leaves the alternate screen, shows the cursor.
const RESTORE: &[u8] = b"\x1b[?1049l\x1b[?25h";

/// Remembers how the terminal was, for [`out_of_memory`]. To be called first of all.
pub fn remember_terminal() {
    if let Some(modes) = modes() {
        let _ = TERMINAL.set(modes);
    }
}

/// The modes of the terminal that standard input is; `None` if it is none.
fn modes() -> Option<libc::termios> {
    // SAFETY: it consists of numbers: zeros are as good as any.
    let mut modes: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is that of a variable which lives.
    (unsafe { libc::tcgetattr(0, &raw mut modes) } == 0).then_some(modes)
}

/// Where there is no memory for a new thread, the standard library panics in it: that, too, is said in one line. To be called
/// before there are threads.
pub fn hear_of_threads() {
    /// How the panic begins (std/src/sys/pal/unix/stack_overflow.rs).
    const NO_ROOM: &str = "failed to allocate an alternative stack";
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.starts_with(NO_ROOM)) {
            end(&[b"a thread cannot be had"]);
        }
        told(info);
    }));
}

/// Says in one line that `wanted` bytes cannot be had, and ends grtmon with status 1. The kernel takes probes away.
pub fn out_of_memory(wanted: usize) -> ! {
    let mut digits = [0; 20];
    end(&[decimal(wanted, &mut digits), b" bytes more cannot be had"])
}

/// Says what is missing, and ends grtmon.
fn end(what: &[&[u8]]) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    if ENDING.swap(true, Ordering::SeqCst) {
        // Another thread says so: to end now would cut it short. It may be held by whoever does not read that.
        // SAFETY: takes no pointer.
        unsafe { libc::sleep(1) };
    } else {
        restore_terminal();
        write(2, b"grtmon: out of memory: ");
        for part in what {
            write(2, part);
        }
        write(
            2,
            b"; raise the limit (ulimit -v, ulimit -d), or ask for less\n",
        );
    }
    // SAFETY: runs nothing of this program any more.
    unsafe { libc::_exit(1) }
}

/// Gives the terminal back if its modes are not what they were.
fn restore_terminal() {
    let (Some(was), Some(is)) = (TERMINAL.get(), modes()) else {
        return;
    };
    if was.c_lflag != is.c_lflag {
        write(1, RESTORE);
        // SAFETY: the pointer is that of a static.
        unsafe { libc::tcsetattr(0, libc::TCSANOW, was) };
    }
}

/// A number in digits, without allocating.
fn decimal(number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut rest = number;
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        first = at;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}

/// Nothing better can be done where that fails.
fn write(descriptor: i32, text: &[u8]) {
    // SAFETY: pointer and length are those of a slice.
    unsafe { libc::write(descriptor, text.as_ptr().cast(), text.len()) };
}
