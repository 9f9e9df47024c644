//! Which functions goroutines start with, as far as the program's code tells.
//!
//! A `go` statement compiles to `runtime.newproc(fn *funcval)`, where the first word of a `funcval` is the address of
//! the code (runtime/runtime2.go; cmd/compile/internal/walk/stmt.go, `walkGoDefer`). For a function without arguments
//! that funcval lies in the read-only data, otherwise a closure is made for it: an object is allocated, and the
//! address of its code stored into the first word. What is started through a variable stays unknown.

use std::collections::BTreeSet;
use std::ops::Range;

use super::body::Body;
use super::runtime_functions::{Runtime, decode};
use crate::go::binary::Binary;
use crate::go::isa::code::{Code, called_from, possible_calls_to};
use crate::go::isa::dataflow::{Dataflow, Origin};
use crate::go::isa::instruction::Register;
use crate::go::pclntab::Function;
use crate::go::site::{NoSite, Site};

pub use super::starts::{StartFunction, Starts};

/// Within how many instructions after the allocation of a closure the address of its code is stored.
const CLOSURE_CODE: usize = 256;

/// Bytes of the longest direct call.
const LONGEST_CALL: usize = 5;

impl StartFunction {
    /// Where its start is seen. On x86-64 the goroutine is just starting if the frame pointer is 0 there and rbx, through
    /// which `runtime.gogo` jumps, holds an address in the function (runtime/asm_amd64.s, Go 1.18 to 1.27); on ARM if the
    /// link register points into `runtime.goexit`. Otherwise it is an ordinary call.
    ///
    /// # Errors
    /// As for [`Body::function_site`].
    pub fn site(&self, binary: &Binary) -> Result<Site, NoSite> {
        let gone = || NoSite::new(format!("the file has no code for {}", self.name));
        let function = binary.functions().at(self.entry).ok_or_else(gone)?;
        let code = decode(binary, &function).ok_or_else(gone)?;
        Body::new(binary.image(), function.name, code).function_site()
    }
}

/// Looks at every `go` statement of the program, once.
///
/// # Errors
/// The program has no `runtime.newproc`.
pub fn start_functions(runtime: &Runtime<'_>) -> Result<Starts, NoSite> {
    runtime.starts.get_or_init(|| look(runtime)).clone()
}

fn look(runtime: &Runtime<'_>) -> Result<Starts, NoSite> {
    let binary = runtime.binary();
    let newproc = runtime.entries("runtime.newproc");
    if newproc.is_empty() {
        return Err(NoSite::new("this program has no function runtime.newproc"));
    }
    let mut search = Search {
        binary,
        keeping: keeping(runtime),
        entries: BTreeSet::new(),
        starts: Starts::default(),
    };
    each_caller(binary, &newproc, |caller| {
        if caller.name != "runtime.newproc" {
            search.look_at(caller, &newproc);
        }
    });
    search.look_at_coroutines(runtime);
    Ok(search.finish())
}

/// Calls `each` with the functions that contain a direct call of one of `targets`, by address. Bytes that only look like
/// a call are sorted out when the function is decoded.
pub(in crate::go) fn each_caller<'b>(
    binary: &'b Binary,
    targets: &[u64],
    mut each: impl FnMut(&Function<'b>),
) {
    let image = binary.image();
    let text = binary.text();
    let mut done = text.start;
    for (start, piece) in image.pieces(text) {
        for at in possible_calls_to(image.machine(), piece, start, targets) {
            let call = start.wrapping_add(at as u64);
            let bytes = match piece.get(at..at + LONGEST_CALL) {
                Some(inside) => inside,
                None => image.slice_from(call).unwrap_or_default(),
            };
            let target = called_from(image.machine(), call, bytes);
            if call < done || !target.is_some_and(|target| targets.contains(&target)) {
                continue;
            }
            if let Some(function) = binary.functions().at(call) {
                done = function.end;
                // At once, while the piece is there.
                each(&function);
            }
        }
    }
}

/// The code of the helpers that keep registers: `runtime.gcWriteBarrier1` to `8`, until Go 1.20 `gcWriteBarrier`,
/// `gcWriteBarrierCX` and so on; `runtime.duffzero` and `duffcopy`, which are entered in the middle.
pub(in crate::go) fn keeping(runtime: &Runtime<'_>) -> Vec<Range<u64>> {
    runtime
        .functions()
        .filter(|function| {
            let name = function.name.strip_prefix("runtime.").unwrap_or_default();
            name.starts_with("gcWriteBarrier") || matches!(name, "duffzero" | "duffcopy")
        })
        .map(|function| function.entry..function.end)
        .collect()
}

struct Search<'b> {
    binary: &'b Binary,
    keeping: Vec<Range<u64>>,
    entries: BTreeSet<u64>,
    starts: Starts,
}

impl Search<'_> {
    /// Looks at each call of one of `newproc` in `caller`.
    fn look_at(&mut self, caller: &Function<'_>, newproc: &[u64]) {
        let Some(code) = decode(self.binary, caller) else {
            return;
        };
        let calls: Vec<usize> = code.calls_to(newproc).collect();
        if calls.is_empty() {
            return;
        }
        let keeping = std::mem::take(&mut self.keeping);
        let mut dataflow = Dataflow::new(&code, &keeping);
        for call in calls {
            self.starts.statements += 1;
            if self.resolve(&code, &mut dataflow, call) {
                self.starts.resolved += 1;
            } else if let Some(instruction) = code.get(call) {
                self.starts.unknown.push(instruction.end());
            }
        }
        self.keeping = keeping;
    }

    /// `runtime.newcoro` starts `runtime.corostart` through `runtime.newproc1` (runtime/coro.go, Go ≥ 1.22).
    fn look_at_coroutines(&mut self, runtime: &Runtime<'_>) {
        let Some(body) = runtime.find("runtime.newcoro.func1") else {
            return;
        };
        let code = body.code();
        let mut dataflow = Dataflow::new(code, &[]);
        let newproc1 = runtime.entries("runtime.newproc1");
        for call in code.calls_to(&newproc1) {
            self.resolve(code, &mut dataflow, call);
        }
    }

    /// Notes the functions that the first argument of the call at `call` can stand for; whether these are all.
    fn resolve(&mut self, code: &Code<'_>, dataflow: &mut Dataflow<'_>, call: usize) -> bool {
        let origins = dataflow.origins(Register::FIRST, call);
        let mut all = !origins.is_empty();
        for origin in origins {
            let entry = match origin {
                Origin::Address(funcval) => self.binary.image().pointer(funcval),
                Origin::Call(made) => self.closure_code(code, dataflow, made),
                Origin::Unknown => None,
            };
            match entry.filter(|entry| self.is_function(*entry)) {
                Some(entry) => {
                    self.entries.insert(entry);
                }
                None => all = false,
            }
        }
        all
    }

    /// The code address that is stored into the first word of the object that the call at `made` returned. That is done
    /// soon after, though the use may come much later, or lie before it in a loop.
    fn closure_code(
        &self,
        code: &Code<'_>,
        dataflow: &mut Dataflow<'_>,
        made: usize,
    ) -> Option<u64> {
        (made + 1..made + CLOSURE_CODE).find_map(|at| {
            let store = code.get(at)?;
            let (object, value) = store.stored_at_pointer()?;
            let &[Origin::Address(entry)] = dataflow.origins(value, at).as_slice() else {
                return None;
            };
            let is_object = dataflow.origins(object, at) == [Origin::Call(made)];
            (self.is_function(entry) && is_object).then_some(entry)
        })
    }

    fn is_function(&self, entry: u64) -> bool {
        self.binary
            .functions()
            .at(entry)
            .is_some_and(|function| function.entry == entry)
    }

    fn finish(self) -> Starts {
        let functions = self.binary.functions();
        Starts {
            functions: self
                .entries
                .iter()
                .filter_map(|entry| functions.at(*entry))
                .map(|function| StartFunction {
                    entry: function.entry,
                    name: function.name.to_owned(),
                })
                .collect(),
            ..self.starts
        }
    }
}
