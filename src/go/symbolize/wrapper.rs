//! What a compiler-made wrapper stands for.
//!
//! `go s.handle(id)` does not start `(*server).handle`: it starts a wrapper without a line of source that calls it
//! with the arguments (cmd/compile/internal/typecheck `tryWrapGlobal…`, `main.serve.gowrap1` since Go 1.22,
//! `main.serve.func1` before). Tracebacks leave wrappers out; so does whoever asks here.

use crate::go::binary::Binary;
use crate::go::pclntab::Function;
use crate::go::site::runtime_functions::decode;

/// Wrappers have some hundred bytes of code, and more arguments than they can pass on fit into so many.
const MAX_WRAPPER: u64 = 1 << 16;

/// Whether the compiler made this function only to call another one.
pub fn is_wrapper(binary: &Binary, function: &Function<'_>) -> bool {
    let id = binary.wrapper_id();
    id.is_some() && binary.functions().id(function) == id
}

/// The function that a wrapper calls: the only one that it calls or that was inlined into it, the runtime's own
/// aside. `None` if the function is no wrapper, or which one it calls is decided only when it runs.
pub fn wrapped<'b>(binary: &'b Binary, function: &Function<'b>) -> Option<&'b str> {
    if !is_wrapper(binary, function) {
        return None;
    }
    if function.end.saturating_sub(function.entry) > MAX_WRAPPER {
        return None;
    }
    let functions = binary.functions();
    let mut found: Option<&'b str> = None;
    for instruction in decode(binary, function)?.instructions() {
        let frames = functions.frames(instruction.address());
        // The frames end with the wrapper itself: what comes before was inlined into it.
        let inlined = frames
            .len()
            .checked_sub(2)
            .and_then(|index| frames.get(index));
        let callee = match inlined {
            Some(frame) => Some(frame.function),
            None => instruction
                .call_target()
                .and_then(|target| functions.at(target))
                .map(|callee| callee.name),
        };
        match callee.filter(|name| !name.starts_with("runtime.")) {
            Some(name) if found.is_some_and(|known| known != name) => return None,
            Some(name) => found = Some(name),
            None => (),
        }
    }
    found
}
