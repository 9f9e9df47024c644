//! The first line of a report: of which time it is. What a report counts, it counts since the observation began.

use std::io::Write;

use super::time_of_day;
use super::time_of_day::time_of_day;

/// The time that a report is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Within {
    /// How long it has been since the observation began, in ns.
    pub elapsed_ns: u64,
    /// When the report was made, in ns since 1970, if that is to be said.
    pub unix_ns: Option<u64>,
}

impl Within {
    /// `   in the 5.0 s since the observation began:`, after the time of day if there is one.
    pub fn heading(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"   ");
        if let Some(unix_ns) = self.unix_ns {
            let mut text = [0; time_of_day::WIDTH];
            out.extend_from_slice(time_of_day(unix_ns, &mut text).as_bytes());
            out.push(b' ');
        }
        let tenths = self.elapsed_ns / 100_000_000;
        let _ = match tenths {
            0 => write!(out, "in the {} ms", self.elapsed_ns / 1_000_000),
            _ => write!(out, "in the {}.{} s", tenths / 10, tenths % 10),
        };
        out.extend_from_slice(b" since the observation began:\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_said() {
        let said = |elapsed_ns, unix_ns| {
            let mut out = Vec::new();
            Within {
                elapsed_ns,
                unix_ns,
            }
            .heading(&mut out);
            String::from_utf8(out).unwrap()
        };
        let of = "since the observation began:\n";
        assert_eq!(said(99_999_999, None), format!("   in the 99 ms {of}"));
        assert_eq!(said(5_049_000_000, None), format!("   in the 5.0 s {of}"));
        let at = Some(1_795_805_941_123_999_999);
        assert_eq!(
            said(3_600_000_000_000, at),
            format!("   18:59:01.123Z in the 3600.0 s {of}")
        );
    }
}
