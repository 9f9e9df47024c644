//! What methods of the runtime's types are called for.
//!
//! Of some types there is one variable only, so wherever one of their methods is called with an address, it is this one's.
//! However much of the runtime is inlined, some of these calls remain: in functions that nobody can name beforehand, so
//! that all are looked through.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::pieces::address;
use super::runtime_functions::Runtime;
use crate::go::isa::code::{Code, called_from, possible_calls};
use crate::go::isa::dataflow::Dataflow;
use crate::go::isa::instruction::Register;

/// Types with one variable, or few, as their methods' names begin.
pub(in crate::go) const HEAP: &str = "runtime.(*mheap).";
pub(in crate::go) const CONTROLLER: &str = "runtime.(*gcControllerState).";
pub(in crate::go) const HEAP_STATS: &str = "runtime.(*consistentHeapStats).";
pub(in crate::go) const STACK: &str = "runtime.(*lfstack).";

/// The addresses for which methods are called, by type.
pub(in crate::go) fn receivers(
    runtime: &Runtime<'_>,
    keeping: &[Range<u64>],
) -> BTreeMap<&'static str, BTreeSet<u64>> {
    let mut methods: HashMap<u64, &'static str> = HashMap::new();
    for function in runtime.functions() {
        let of = [HEAP, CONTROLLER, HEAP_STATS, STACK];
        if let Some(of) = of.into_iter().find(|of| function.name.starts_with(of)) {
            methods.insert(function.entry, of);
        }
    }
    let image = runtime.binary().image();
    let mut found: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for function in runtime.functions() {
        let Some(bytes) = function.code(image) else {
            continue;
        };
        let calls_any = possible_calls(image.machine(), bytes).any(|at| {
            let call = function.entry.saturating_add(at as u64);
            let bytes = bytes.get(at..).unwrap_or_default();
            called_from(image.machine(), call, bytes).is_some_and(|to| methods.contains_key(&to))
        });
        if !calls_any {
            continue;
        }
        let code = Code::decode(image.machine(), bytes, function.entry);
        let mut dataflow = Dataflow::new(&code, keeping);
        for (call, target) in code.calls() {
            if let Some(of) = methods.get(&target) {
                let receiver = address(&mut dataflow, Register::FIRST, call);
                found.entry(*of).or_default().extend(receiver);
            }
        }
    }
    image.release_all();
    found
}
