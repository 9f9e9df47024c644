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
        if r.forced {
            f.write_str(" (forced)")
        } else {
            Ok(())
        }
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

    /// What a Go program's memory held at the end of a cycle, and the line it printed then.
    struct Real {
        /// cycle, stw_procs, max_procs, forced
        small: [u32; 4],
        /// init, sweep_term, mark, mark_term, end
        times: [u64; 5],
        /// before, at_end, after, goal, stacks, globals
        sizes: [u64; 6],
        /// assist, dedicated, fractional, idle
        cpu: [u64; 4],
        fraction_bits: u64,
        line: &'static str,
    }

    impl Real {
        fn record(&self) -> CycleRecord {
            let [cycle, stw_procs, max_procs, forced] = self.small;
            let [init_ns, sweep_term_ns, mark_ns, mark_term_ns, end_ns] = self.times;
            let [
                heap_before,
                heap_at_end,
                heap_after,
                heap_goal,
                stack_bytes,
                globals_bytes,
            ] = self.sizes;
            let [assist_ns, dedicated_ns, fractional_ns, idle_ns] = self.cpu;
            CycleRecord {
                process: 1,
                trigger: None,
                leak_check: false,
                pause_ns: 0,
                cycle,
                stw_procs,
                max_procs,
                forced: forced == 1,
                init_ns,
                sweep_term_ns,
                mark_ns,
                mark_term_ns,
                end_ns,
                heap_before,
                heap_at_end,
                heap_after,
                heap_goal,
                stack_bytes,
                globals_bytes,
                assist_ns,
                dedicated_ns,
                fractional_ns,
                idle_ns,
                cpu_fraction_bits: self.fraction_bits,
            }
        }
    }

    const REAL: [Real; 5] = [
        // Go 1.19.8
        Real {
            small: [1, 2, 2, 0],
            times: [
                2520888989907,
                2520942093065,
                2520942192189,
                2520960199789,
                2520962616974,
            ],
            sizes: [3997696, 6275072, 4569160, 4194304, 24576, 223632],
            cpu: [3002516, 0, 676390, 3905038],
            fraction_bits: 4588667294525847623,
            line: "gc 1 @0.053s 5%: 0.099+18+2.4 ms clock, 0.19+3.0/0.67/3.9+4.8 ms cpu, \
                   3->5->4 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
        },
        Real {
            small: [7, 2, 2, 1],
            times: [
                2520888989907,
                2521402390240,
                2521410483413,
                2521424511486,
                2521424548264,
            ],
            sizes: [38249544, 38249544, 18667984, 45003960, 24576, 223632],
            cpu: [0, 0, 8564029, 12881216],
            fraction_bits: 4598857101731669076,
            line: "gc 7 @0.513s 28%: 8.0+14+0.036 ms clock, 16+0/8.5/12+0.073 ms cpu, \
                   36->36->17 MB, 42 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)",
        },
        // Go 1.22.10
        Real {
            small: [1, 2, 2, 0],
            times: [
                2525356853270,
                2525436920166,
                2525437006257,
                2525520807001,
                2525520854149,
            ],
            sizes: [4005888, 5586944, 4109240, 4194304, 13632, 409120],
            cpu: [0, 0, 75972466, 10030333],
            fraction_bits: 4597533289172041654,
            line: "gc 1 @0.080s 23%: 0.086+83+0.047 ms clock, 0.17+0/75/10+0.094 ms cpu, \
                   3->5->3 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
        },
        // Go 1.27.3
        Real {
            small: [1, 2, 2, 0],
            times: [
                2530166823927,
                2530203788060,
                2530203865034,
                2530219460708,
                2530220567531,
            ],
            sizes: [4030464, 6742016, 5231864, 4194304, 13720, 151690],
            cpu: [0, 0, 4989429, 6009119],
            fraction_bits: 4589521682419275478,
            line: "gc 1 @0.036s 6%: 0.076+15+1.1 ms clock, 0.15+0/4.9/6.0+2.2 ms cpu, \
                   3->6->4 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
        },
        Real {
            small: [8, 2, 2, 1],
            times: [
                2530166823927,
                2530540164785,
                2530540305888,
                2530555107723,
                2530555112272,
            ],
            sizes: [28997960, 28997960, 18773472, 43149826, 13864, 151690],
            cpu: [0, 0, 2464251, 23076636],
            fraction_bits: 4599522163658785544,
            line: "gc 8 @0.373s 32%: 0.14+14+0.004 ms clock, 0.28+0/2.4/23+0.009 ms cpu, \
                   27->27->17 MB, 41 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)",
        },
    ];

    #[test]
    fn lines_are_those_that_go_printed() {
        for real in &REAL {
            let record = real.record();
            assert!(record.is_plausible());
            assert_eq!(GcTrace(&record).to_string(), real.line);
        }
    }

    #[test]
    fn a_search_for_leaks_is_said_where_go_says_it() {
        let record = CycleRecord {
            leak_check: true,
            ..REAL[3].record()
        };
        let line = GcTrace(&record).to_string();
        assert!(line.starts_with("gc 1 @0.036s 6% (checking for goroutine leaks): 0.076+15"));
    }
}
