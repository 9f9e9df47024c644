//! Traces as stacks of a profile: one location for each function with code of its own, with those inlined into it.

use std::collections::HashMap;

use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::pclntab::inline::Frame;
use crate::go::process::unwind::Trace;
use crate::go::symbolize::code_address::CodeAddress;
use crate::go::symbolize::shown::Rules;
use crate::model::profile::{Line, LocationId, Profile};

/// Finds the words of addresses in one process.
#[derive(Debug)]
pub struct TraceLocations<'b> {
    tables: Tables<'b>,
    rules: Rules,
    /// The instruction, and its functions, innermost first.
    known: HashMap<CodeAddress, (u64, Vec<Frame<'b>>)>,
}

impl<'b> TraceLocations<'b> {
    /// For a process that runs `binary`.
    pub fn new(binary: &'b Binary, tables: Tables<'b>) -> Self {
        Self {
            tables,
            rules: Rules::of(binary.version_range()).marked(binary.wrapper_id()),
            known: HashMap::new(),
        }
    }

    /// The locations of a trace, innermost first. Wrappers that the compiler made are left out, as Go's own profiles do
    /// (runtime/traceback.go, `tracebackPCs`), unless they are what runs.
    pub fn locations(&mut self, profile: &mut Profile, trace: &Trace) -> Vec<LocationId> {
        let mut locations = Vec::new();
        let mut callee = None;
        let inner = trace.inner.len();
        for (number, address) in trace.inner.iter().chain(&trace.outer).enumerate() {
            if number == inner && trace.elided > 0 {
                locations.push(profile.words(&format!("[{} frames elided]", trace.elided)));
            }
            let rules = self.rules;
            let (instruction, frames) = self.frames(*address);
            let mut lines = Vec::new();
            for frame in frames {
                let is_elided = callee.is_some_and(|callee| rules.elides(frame, callee));
                callee = Some(frame.function);
                if !is_elided {
                    lines.push(Line {
                        function: profile.function_from(
                            frame.function,
                            frame.file,
                            frame.start_line,
                        ),
                        line: frame.line,
                    });
                }
            }
            if !lines.is_empty() {
                locations.push(profile.location(*instruction, lines));
            }
        }
        locations
    }

    fn frames(&mut self, address: CodeAddress) -> &(u64, Vec<Frame<'b>>) {
        self.known.entry(address).or_insert_with(|| {
            let functions = self.tables.at(address.pc);
            (address.instruction(functions), address.frames(functions))
        })
    }
}
