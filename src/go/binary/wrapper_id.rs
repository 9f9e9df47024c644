//! By which number the function table marks functions that the compiler made only to call another one.

use super::Binary;
use crate::go::versions::wrapper_id;

/// Wrappers that every program has: `gcenable` starts the sweeper and the scavenger with an argument (runtime/mgc.go).
const EXAMPLES: [&str; 4] = [
    "runtime.gcenable.gowrap1",
    "runtime.gcenable.gowrap2",
    "runtime.gcenable.func1",
    "runtime.gcenable.func2",
];

impl Binary {
    /// The number by which the function table marks what the compiler made only to call something else.
    pub(in crate::go) fn wrapper_id(&self) -> Option<u8> {
        *self.wrapper_id.get_or_init(|| wrapper_id_of(self))
    }
}

/// The number by which the function table of this binary marks wrappers, as the examples show; else what its version has.
fn wrapper_id_of(binary: &Binary) -> Option<u8> {
    let functions = binary.functions();
    let shown = EXAMPLES
        .iter()
        .flat_map(|name| functions.by_name(name))
        .find_map(|example| functions.id(&example).filter(|id| *id != 0));
    shown.or_else(|| {
        let range = binary.version_range();
        let id = wrapper_id(range.oldest);
        id.filter(|_| range.newest.is_none() || range.newest.and_then(wrapper_id) == id)
    })
}
