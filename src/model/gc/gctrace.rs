//! The line that `GODEBUG=gctrace=1` prints, from the runtime's record of a cycle.
//!
//! The format is that of `gcMarkTermination` (runtime/mgc.go), the same text in Go 1.18 to 1.27 but for one addition:
//! since 1.26 a cycle that also looked for leaked goroutines says so after the percentage. The numbers are cut, never
//! rounded: sizes to MiB, times as [`Milliseconds`] shows.

use std::fmt;

use super::CycleRecord;

/// A cycle as `gctrace` prints it, without the newline.
#[derive(Debug, Clone, Copy)]
pub struct GcTrace<'r>(pub &'r CycleRecord);

impl fmt::Display for GcTrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.0;
        let since_start_ms = r.sweep_term_ns.wrapping_sub(r.init_ns) / 1_000_000;
        // Go cuts the fraction off; so does this conversion.
        let percent = (r.cpu_fraction() * 100.0) as i64;
        let (seconds, milliseconds) = (since_start_ms / 1000, since_start_ms % 1000);
        write!(f, "gc {} @{seconds}.{milliseconds:03}s {percent}%", r.cycle)?;
        if r.leak_check {
            f.write_str(" (checking for goroutine leaks)")?;
        }
        let sweep_term = r.mark_ns.wrapping_sub(r.sweep_term_ns);
        let mark = r.mark_term_ns.wrapping_sub(r.mark_ns);
        let mark_term = r.end_ns.wrapping_sub(r.mark_term_ns);
        write!(
            f,
            ": {}+{}+{} ms clock, ",
            Milliseconds(sweep_term),
            Milliseconds(mark),
            Milliseconds(mark_term)
        )?;
        let stopped = u64::from(r.stw_procs);
        write!(
            f,
            "{}+{}/{}/{}+{} ms cpu, ",
            Milliseconds(stopped.wrapping_mul(sweep_term)),
            Milliseconds(r.assist_ns),
            Milliseconds(r.dedicated_ns.wrapping_add(r.fractional_ns)),
            Milliseconds(r.idle_ns),
            Milliseconds(stopped.wrapping_mul(mark_term))
        )?;
        write!(
            f,
            "{}->{}->{} MB, {} MB goal, {} MB stacks, {} MB globals, {} P",
            r.heap_before >> 20,
            r.heap_at_end >> 20,
            r.heap_after >> 20,
            r.heap_goal >> 20,
            r.stack_bytes >> 20,
            r.globals_bytes >> 20,
            r.max_procs
        )?;
        if r.forced { f.write_str(" (forced)") } else { Ok(()) }
    }
}

/// A time in ns as `gctrace` shows it in ms (`fmtNSAsMS`, runtime/mgc.go): from 10 ms on whole milliseconds, below
/// that two digits and at most three decimals, `0` below a microsecond.
#[derive(Debug, Clone, Copy)]
pub struct Milliseconds(pub u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 10_000_000 {
            return write!(f, "{}", self.0 / 1_000_000);
        }
        match self.0 / 1_000 {
            0 => f.write_str("0"),
            us @ 1..100 => write!(f, "0.{us:03}"),
            us @ 100..1_000 => write!(f, "0.{:02}", us / 10),
            us => write!(f, "{}.{}", us / 1_000, us / 100 % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ns: u64) -> String {
        Milliseconds(ns).to_string()
    }

    #[test]
    fn milliseconds_are_cut_as_go_cuts_them() {
        let cases: [(u64, &str); 14] = [
            (0, "0"),
            (999, "0"),
            (1_000, "0.001"),
            (27_999, "0.027"),
            (99_999, "0.099"),
            (100_000, "0.10"),
            (109_999, "0.10"),
            (999_999, "0.99"),
            (1_000_000, "1.0"),
            (1_099_999, "1.0"),
            (9_999_999, "9.9"),
            (10_000_000, "10"),
            (10_999_999, "10"),
            (1_234_567_890, "1234"),
        ];
        for (ns, text) in cases {
            assert_eq!(shown(ns), text, "{ns} ns");
        }
    }
}
