//! What methods of the runtime's types are called for.
//!
//! Of some types there is one variable only, so wherever one of their methods is called with an address, it is this one's.
//! However much of the runtime is inlined, some of these calls remain: in functions that nobody can name beforehand, so
//! that all are looked through.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::code::{Code, called_from, possible_calls};
use super::dataflow::Dataflow;
use super::instruction::Register;
use super::pieces::address;
use super::runtime::Runtime;

/// Types with one variable, or few, as their methods' names begin.
pub(super) const HEAP: &str = "runtime.(*mheap).";
pub(super) const CONTROLLER: &str = "runtime.(*gcControllerState).";
pub(super) const HEAP_STATS: &str = "runtime.(*consistentHeapStats).";
pub(super) const STACK: &str = "runtime.(*lfstack).";

/// The addresses for which methods are called, by type.
pub(super) fn receivers(
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
