//! What an observation costs those who are observed.

/// The cost of probes, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// How often a probe was hit.
    pub hits: u64,
    /// Nanoseconds of a hit beside the program's own work, measured on this machine.
    pub trap_ns: Option<f64>,
    /// Nanoseconds that the program behind a probe takes on average.
    pub program_ns: Option<f64>,
    /// CPU time that the observed processes used meanwhile, in nanoseconds; 0 if that is not known.
    pub cpu_ns: u64,
    /// Whether they used more than that: some came or went meanwhile, and not all of their time was seen.
    pub used_more: bool,
}

impl Cost {
    /// Nanoseconds of one hit; without the program's part, where that is not known.
    pub fn per_hit_ns(&self) -> Option<f64> {
        Some(self.trap_ns? + self.program_ns.unwrap_or(0.0))
    }

    /// The part of the observed processes' CPU time, that for probes included, that went into probes, from 0 to 1. An
    /// estimate: a hit is measured where caches are warm, and takes longer in the midst of other work. It is a bound, not
    /// the part itself, if [`is_bound`](Self::is_bound).
    pub fn share(&self) -> Option<f64> {
        if self.hits == 0 {
            return Some(0.0);
        }
        let spent = self.per_hit_ns()? * self.hits as f64;
        (self.cpu_ns > 0).then(|| (spent / self.cpu_ns as f64).min(1.0))
    }
}

impl Cost {
    /// Whether the share is at most what [`share`](Self::share) says: more CPU time was used than is known. So it is
    /// where hits would have taken more than all of it.
    pub fn is_bound(&self) -> bool {
        let spent = self.per_hit_ns().unwrap_or(0.0) * self.hits as f64;
        self.hits > 0 && (self.used_more || spent >= self.cpu_ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost {
        hits: 1_000,
        trap_ns: Some(700.0),
        program_ns: Some(300.0),
        cpu_ns: 10_000_000,
        used_more: false,
    };

    #[test]
    fn the_share_is_of_the_time_used() {
        assert_eq!(COST.share(), Some(0.1));
        assert_eq!(Cost { cpu_ns: 0, ..COST }.share(), None);
        assert_eq!(
            Cost {
                hits: 0,
                cpu_ns: 0,
                ..COST
            }
            .share(),
            Some(0.0)
        );
        assert!(!COST.is_bound());
        let more = Cost {
            used_more: true,
            ..COST
        };
        let clipped = Cost {
            cpu_ns: 500_000,
            ..COST
        };
        assert!(more.is_bound() && clipped.is_bound());
        assert_eq!(clipped.share(), Some(1.0));
        let unknown = Cost {
            trap_ns: None,
            ..COST
        };
        assert_eq!((unknown.per_hit_ns(), unknown.share()), (None, None));
    }
}
