//! Limits of our own process.

#![allow(unsafe_code)]

use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;
use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;

/// Bytes of stack that are enough for anything: what a program usually has.
pub const STACK: usize = 8 << 20;

/// Whether the main thread's stack may grow that far, or nearly.
pub fn has_large_stack() -> bool {
    getrlimit(Resource::RLIMIT_STACK).is_ok_and(|(soft, _)| soft >= STACK as u64 / 2)
}

/// What to do about an error that comes of a limit: an addition to what is said of it.
pub fn advice(error: &anyhow::Error) -> &'static str {
    const FILES: i32 = libc::EMFILE;
    let is_files = |cause: &(dyn std::error::Error + 'static)| {
        let system = cause.downcast_ref::<std::io::Error>();
        system.and_then(std::io::Error::raw_os_error) == Some(FILES)
            // libbpf's own errors are only text.
            || cause.to_string().ends_with("(os error 24)")
    };
    match error.chain().any(is_files) {
        true => "; raise the limit (ulimit -n)",
        false => "",
    }
}

/// Raises RLIMIT_MEMLOCK as far as we may. If that is not far enough, the kernel will say so.
pub fn raise_locked_memory() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
}

/// A write that the limit of file sizes (`ulimit -f`) forbids fails from now on, instead of ending grtmon by SIGXFSZ. A
/// handler that does nothing, and not the wish to ignore the signal: that would be passed on to a command we start.
pub fn survive_full_files() {
    extern "C" fn nothing(_signal: libc::c_int) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    let before = unsafe { sigaction(Signal::SIGXFSZ, &action) };
    if let Ok(before) = before
        && matches!(before.handler(), SigHandler::SigIgn)
    {
        // Whoever started us wants it ignored, and by what we start too.
        // SAFETY: no handler.
        let _ = unsafe { sigaction(Signal::SIGXFSZ, &before) };
    }
}
