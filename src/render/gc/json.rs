//! What `gc` says in JSON: one object for each event.

use crate::model::account::Account;
use crate::model::gc::CycleRecord;
use crate::model::gc::Stw;
use crate::model::gc::Sweep;
use crate::model::gc::Trigger;
use crate::model::gc::durations::Summary;
use crate::model::gc::gctrace::GcTrace;
use crate::model::process;
use crate::render::account;
use crate::render::json::Object;

/// A line of JSON for each kind of event. `unix_offset_ns` turns the runtime's clock into nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Json {
    /// What to add to CLOCK_MONOTONIC.
    pub unix_offset_ns: i128,
}

impl Json {
    fn begin<'a>(
        &self,
        out: &'a mut Vec<u8>,
        event: &str,
        begin_ns: u64,
        number: u32,
    ) -> Object<'a> {
        let unix_ns = u64::try_from(i128::from(begin_ns) + self.unix_offset_ns).ok();
        let mut object = Object::begin(out);
        object
            .text("event", event)
            .number_or_null("time_unix_ns", unix_ns);
        object.number_or_null("pid", process::id(number).map(u64::from));
        object
    }

    /// A stop of the world; `time_unix_ns` is when it began.
    pub fn stw(&self, out: &mut Vec<u8>, stw: &Stw) {
        let mut object = self.begin(out, "stw", stw.begin_ns, stw.process);
        object.number_or_null("cycle", stw.cycle.map(u64::from));
        object.text_or_null("reason", stw.reason.as_deref());
        object.number("duration_ns", stw.duration_ns());
        object.number_or_null("stopping_ns", stw.stopping_ns());
        object.number_or_null("stopped_ns", stw.standing_ns());
        object.end();
    }

    /// The concurrent mark of a cycle; `time_unix_ns` is when it began.
    pub fn mark(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        let mut object = self.begin(out, "mark", cycle.mark_ns, cycle.process);
        object.number("cycle", u64::from(cycle.cycle));
        object.text_or_null("trigger", cycle.known_trigger().map(Trigger::name));
        object.number("duration_ns", cycle.mark_duration_ns());
        object.number("pause_ns", cycle.pause_ns);
        sizes(&mut object, cycle);
        object.end();
    }

    /// The concurrent sweep of a cycle; `time_unix_ns` is when it began.
    pub fn sweep(&self, out: &mut Vec<u8>, sweep: &Sweep, trigger: Option<Trigger>) {
        let mut object = self.begin(out, "sweep", sweep.begin_ns, sweep.process);
        object.number("cycle", u64::from(sweep.cycle));
        object.text_or_null("trigger", trigger.map(Trigger::name));
        object.number("duration_ns", sweep.duration_ns());
        object
            .truth("finished", sweep.finished)
            .truth("exact", sweep.exact);
        object.end();
    }

    /// A whole cycle, with its line of `gctrace`; `time_unix_ns` is when its first stop of the world began.
    pub fn cycle(&self, out: &mut Vec<u8>, cycle: &CycleRecord) {
        let mut object = self.begin(out, "cycle", cycle.sweep_term_ns, cycle.process);
        object.number("cycle", u64::from(cycle.cycle));
        object.text_or_null("trigger", cycle.known_trigger().map(Trigger::name));
        object
            .truth("forced", cycle.forced)
            .truth("leak_check", cycle.leak_check);
        let span = |from: u64, to: u64| to.saturating_sub(from);
        object.number("since_start_ns", span(cycle.init_ns, cycle.sweep_term_ns));
        object.number(
            "sweep_termination_ns",
            span(cycle.sweep_term_ns, cycle.mark_ns),
        );
        object.number("mark_ns", cycle.mark_duration_ns());
        object.number(
            "mark_termination_ns",
            span(cycle.mark_term_ns, cycle.end_ns),
        );
        object.number("pause_ns", cycle.pause_ns);
        object
            .number("cpu_assist_ns", cycle.assist_ns)
            .number("cpu_dedicated_ns", cycle.dedicated_ns);
        object
            .number("cpu_fractional_ns", cycle.fractional_ns)
            .number("cpu_idle_ns", cycle.idle_ns);
        object.fraction("gc_cpu_fraction", cycle.cpu_fraction());
        sizes(&mut object, cycle);
        object
            .number("stacks_bytes", cycle.stack_bytes)
            .number("globals_bytes", cycle.globals_bytes);
        object
            .number("procs", u64::from(cycle.max_procs))
            .number("stw_procs", u64::from(cycle.stw_procs));
        object.text("gctrace", &GcTrace(cycle).to_string());
        object.end();
    }
}

/// What an observation came to.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The figures of each kind of event.
    pub kinds: &'a [(&'a str, Summary)],
    /// Sweeps that had not ended, where sweeps are shown.
    pub sweeps_unfinished: Option<u64>,
    /// Stops of the world that passed the probes, where they are shown.
    pub stops_passed: Option<u64>,
    /// Cycles that passed the probes.
    pub cycles_passed: u64,
    /// Events shown.
    pub shown: u64,
}

/// The last line.
pub fn end(out: &mut Vec<u8>, end: &End<'_>, account: &Account) {
    let mut object = Object::begin(out);
    object.text("event", "end");
    for (kind, figures) in end.kinds {
        object.object(kind, |inner| summary(inner, figures));
    }
    if let Some(unfinished) = end.sweeps_unfinished {
        object.number("sweeps_unfinished", unfinished);
    }
    if let Some(stops) = end.stops_passed {
        object.number("stops_passed", stops);
    }
    object
        .number("cycles_passed", end.cycles_passed)
        .number("shown", end.shown);
    account::json(&mut object, account);
    object.end();
}

/// The figures of one kind, as fields of an object within.
fn summary(object: &mut Object<'_>, summary: &Summary) {
    object
        .number("count", summary.count)
        .number("total_ns", summary.total_ns);
    object
        .number("p50_ns", summary.p50_ns)
        .number("p99_ns", summary.p99_ns);
    object.number("max_ns", summary.max_ns);
}

fn sizes(object: &mut Object<'_>, cycle: &CycleRecord) {
    object.number("heap_before_bytes", cycle.heap_before);
    object.number("heap_at_end_bytes", cycle.heap_at_end);
    object.number("heap_after_bytes", cycle.heap_after);
    object.number("heap_goal_bytes", cycle.heap_goal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_units_and_null_for_the_unknown() {
        let json = Json { unix_offset_ns: 5 };
        let stw = Stw {
            process: 4242,
            begin_ns: 1_000,
            stopped_ns: None,
            end_ns: 15_230,
            reason: None,
            cycle: Some(7),
        };
        let cycle = CycleRecord {
            trigger: Some(Trigger::Heap),
            heap_after: 1_400_000,
            ..CycleRecord::default()
        };
        let sweep = Sweep {
            process: 4242,
            cycle: 7,
            begin_ns: 0,
            end_ns: 812_311,
            finished: true,
            exact: true,
        };
        let mut out = Vec::new();
        json.stw(&mut out, &stw);
        json.mark(&mut out, &cycle);
        json.sweep(&mut out, &sweep, None);
        json.cycle(&mut out, &cycle);
        let read: Vec<serde_json::Value> = out
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(read[0]["time_unix_ns"], 1_005);
        assert_eq!(read[0]["duration_ns"], 14_230);
        assert!(read[0]["reason"].is_null() && read[0]["stopping_ns"].is_null());
        assert_eq!(read[1]["trigger"], "heap");
        assert_eq!(read[1]["heap_after_bytes"], 1_400_000);
        assert_eq!(read[2]["exact"], true);
        assert_eq!(read[3]["gctrace"], GcTrace(&cycle).to_string());
    }
}
