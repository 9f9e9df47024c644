//! Stacks as the runtime notes them for its profiles: one address for each function, inlined ones included.
//!
//! `runtime.Callers` gives for a function that is inlined the address of an instruction that belongs to it, plus one, as
//! if that were a return address (runtime/traceback.go, `tracebackPCs`): the innermost function there is the one that is
//! meant. Only the outermost address may stand for several, where the stack had more functions than there is room for.
//! So reads them runtime/pprof, too (`appendLocsForStack`, proto.go; `runtime_expandFinalInlineFrame`, symtab.go).

use std::collections::HashMap;

use super::runtime_info::ProcessView;
use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::pclntab::inline::Frame;
use crate::go::symbolize::shown::Rules;
use crate::model::profile::{Line, LocationId, Profile};

/// What profiles do not have: it is on the stack of every goroutine.
const BOTTOM: &str = "runtime.goexit";

/// Functions of the runtime, as profiles of memory tell them.
const OF_RUNTIME: [&str; 2] = ["runtime.", "internal/runtime/"];

/// No stack is longer.
const MOST: usize = 1 << 12;

/// Finds the words of addresses in one process.
#[derive(Debug)]
pub struct CallStacks<'b> {
    tables: Tables<'b>,
    rules: Rules,
    bias: u64,
    /// By link-time return address: the entry of the function with code of its own there, and the frames.
    known: HashMap<u64, (u64, Vec<Frame<'b>>)>,
}

impl<'b> CallStacks<'b> {
    /// For a process that runs `binary`.
    pub fn new(binary: &'b Binary, view: &ProcessView<'_>) -> Self {
        Self {
            tables: Tables::with(binary, &view.runtime_info.plugins),
            rules: Rules::of(binary.version_range()).marked(binary.wrapper_id()),
            bias: view.bias,
            known: HashMap::new(),
        }
    }

    /// The locations of a stack of live return addresses, innermost first.
    pub fn locations(&mut self, profile: &mut Profile, stack: &[u64]) -> Vec<LocationId> {
        let mut locations = Vec::new();
        // Of the location that is being put together: the function with code of its own, the address, the lines.
        let mut open: Option<(u64, u64, Vec<Line>)> = None;
        let bias = self.bias;
        let last = stack.len().saturating_sub(1);
        for (index, pc) in stack.iter().enumerate() {
            let pc = pc.wrapping_sub(bias);
            let rules = self.rules;
            let (entry, frames) = self.frames(pc);
            let meant = match index == last {
                true => frames.as_slice(),
                false => frames.get(..1).unwrap_or_default(),
            };
            let mut callee = None;
            for frame in meant {
                // Those that are inlined into a wrapper are followed by it, which is not on the stack otherwise.
                let is_elided = callee.is_some_and(|callee| rules.elides(frame, callee));
                callee = Some(frame.function);
                if is_elided || frame.function == BOTTOM {
                    continue;
                }
                let line = Line {
                    function: profile.function_from(frame.function, frame.file, frame.start_line),
                    line: frame.line,
                };
                match &mut open {
                    Some((of, _, lines)) if of == entry => lines.push(line),
                    _ => {
                        close(profile, &mut open, &mut locations);
                        open = Some((*entry, pc.wrapping_sub(1), vec![line]));
                    }
                }
                if !frame.inlined {
                    close(profile, &mut open, &mut locations);
                }
            }
        }
        close(profile, &mut open, &mut locations);
        locations
    }

    /// The stack without the runtime's functions at its inner end, by which memory is allocated; all of it if there are
    /// no others (`writeHeapProto`, runtime/pprof/protomem.go).
    pub fn outside_runtime<'s>(&mut self, stack: &'s [u64]) -> &'s [u64] {
        let bias = self.bias;
        let is_of_runtime = |pc: &&u64| {
            let pc = pc.wrapping_sub(bias);
            // Of the address itself, not of the call before it: so does runtime.FuncForPC.
            let frames = self.tables.at(pc).frames(pc);
            let name = frames.first().map(|frame| frame.function);
            name.is_some_and(|name| OF_RUNTIME.iter().any(|it| name.starts_with(it)))
        };
        let inner = stack.iter().take_while(is_of_runtime).count();
        match stack.get(inner..) {
            Some([]) | None => stack,
            Some(rest) => rest,
        }
    }

    /// A stack of which some addresses stand for one function each, as above, and others for all that are inlined there,
    /// as one of the first kind (`Frames.Next`, runtime/symtab.go). Since Go 1.23 those of profiles of waiting are so
    /// (`fpTracebackPartialExpand`, runtime/mprof.go; `expandInlinedFrames`, runtime/pprof/pprof.go); one that is of the
    /// first kind already stays as it is.
    pub fn expanded(&mut self, stack: &[u64]) -> Vec<u64> {
        let bias = self.bias;
        let mut all = Vec::new();
        for (index, pc) in stack.iter().enumerate() {
            let next = stack.get(index + 1);
            let mut at = pc.wrapping_sub(bias);
            // Not of any function: a mark that says how the stack was taken.
            if self.tables.at(at).at(at).is_none() {
                continue;
            }
            while all.len() < MOST {
                all.push(at.wrapping_add(bias));
                match self.implied(at, next.map(|pc| pc.wrapping_sub(bias))) {
                    Some(caller) => at = caller,
                    None => break,
                }
            }
        }
        all
    }

    /// The address that stands for the function into which the one of a return address is inlined, if it is not the next
    /// one anyway. Of the outermost address, nobody asks that here.
    fn implied(&mut self, pc: u64, next: Option<u64>) -> Option<u64> {
        let next = next?;
        let call = pc.saturating_sub(1);
        let calls = self.tables.at(pc).calls(call);
        let rules = self.rules;
        let (_, frames) = self.frames(pc);
        let callee = frames.first()?.function;
        for (call, frame) in calls.iter().zip(frames).skip(1) {
            let address = call.wrapping_add(1);
            if address == next {
                return None;
            }
            if !rules.elides(frame, callee) {
                return Some(address);
            }
        }
        None
    }

    fn frames(&mut self, pc: u64) -> &(u64, Vec<Frame<'b>>) {
        self.known.entry(pc).or_insert_with(|| {
            let functions = self.tables.at(pc);
            let call = pc.saturating_sub(1);
            let entry = functions.at(call).map_or(0, |it| it.entry);
            (entry, functions.frames(call))
        })
    }
}

/// Ends the location that is being put together.
fn close(
    profile: &mut Profile,
    open: &mut Option<(u64, u64, Vec<Line>)>,
    locations: &mut Vec<LocationId>,
) {
    if let Some((_, address, lines)) = open.take() {
        locations.push(profile.location(address, lines));
    }
}
