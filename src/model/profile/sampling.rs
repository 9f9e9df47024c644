//! How a profile was sampled, and what came of it: what one has to know to judge it.

use crate::model::loss;
use crate::model::loss::Loss;

/// Of fewer samples it is not said for how much of the CPU time they stand.
const ENOUGH: u64 = 100;

/// Why no more samples were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// The time was over.
    #[default]
    Time,
    /// Somebody ended it: Ctrl-C.
    Asked,
    /// The process has ended.
    Process,
    /// The process runs another program now.
    Exec,
}

impl End {
    /// Stable name, used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time_over",
            Self::Asked => "interrupted",
            Self::Process => "process_ended",
            Self::Exec => "process_exec",
        }
    }
}

/// What is known of the samples of a profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// Looks at each processor, a second.
    pub hz: u32,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: u64,
    /// CPU time that the process used meanwhile, in nanoseconds, by the kernel's account.
    pub cpu_ns: Option<u64>,
    /// Samples whose stacks are proved.
    pub proved: u64,
    /// Samples of which the outermost frames are missing: the rest is proved.
    pub cut: u64,
    /// Samples whose stacks are made of frame records alone.
    pub chained: u64,
    /// Samples without a stack.
    pub bare: u64,
    /// Samples of goroutines with labels,
    pub labelled: u64,
    /// and those of them whose labels could not be read in time.
    pub unlabelled: u64,
    /// What was lost, by cause.
    pub losses: Vec<Loss>,
    /// Why it has ended.
    pub end: End,
}

impl Sampling {
    /// Of these processes and those together.
    pub fn with(self, other: &Self) -> Self {
        let mut losses = self.losses;
        loss::merge(&mut losses, &other.losses);
        let ends = [self.end, other.end];
        let first = [End::Asked, End::Time];
        let end = first.into_iter().find(|end| ends.contains(end));
        Self {
            hz: self.hz,
            elapsed_ns: self.elapsed_ns.max(other.elapsed_ns),
            // What is not known of one is not known of both.
            cpu_ns: self
                .cpu_ns
                .zip(other.cpu_ns)
                .map(|(these, those)| these.saturating_add(those)),
            proved: self.proved + other.proved,
            cut: self.cut + other.cut,
            chained: self.chained + other.chained,
            bare: self.bare + other.bare,
            labelled: self.labelled + other.labelled,
            unlabelled: self.unlabelled + other.unlabelled,
            losses,
            end: end.unwrap_or(self.end),
        }
    }

    /// How many samples there are.
    pub fn count(&self) -> u64 {
        self.proved + self.cut + self.chained + self.bare
    }

    /// The CPU time that one sample stands for, in nanoseconds.
    pub fn period_ns(&self) -> u64 {
        1_000_000_000 / u64::from(self.hz.max(1))
    }

    /// The CPU time that all of them stand for, in nanoseconds.
    pub fn seen_ns(&self) -> u64 {
        self.count().saturating_mul(self.period_ns())
    }

    /// The part of the CPU time, by the kernel's account, that so many samples stand for; and how far chance takes it
    /// from that, three standard deviations. `None`: chance takes it anywhere.
    pub fn part(&self, samples: u64) -> Option<(f64, f64)> {
        let used = self.cpu_ns.filter(|used| *used > 0)?;
        let chance = 3.0 / (samples as f64).sqrt();
        let part = samples.saturating_mul(self.period_ns()) as f64 / used as f64;
        (samples >= ENOUGH).then_some((part, chance))
    }

    /// The part of the CPU time that was seen.
    pub fn coverage(&self) -> Option<f64> {
        self.part(self.count()).map(|(part, _)| part)
    }

    /// How many samples were lost.
    pub fn lost(&self) -> u64 {
        let all = self.losses.iter().map(|loss| loss.events);
        all.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_stand_for_nothing() {
        let mut sampling = Sampling {
            hz: 100,
            cpu_ns: Some(2_000_000_000),
            proved: 99,
            ..Sampling::default()
        };
        assert_eq!(sampling.seen_ns(), 990_000_000);
        assert_eq!(sampling.coverage(), None);
        sampling.cut = 81;
        assert_eq!(sampling.coverage(), Some(0.9));
        sampling.cpu_ns = Some(0);
        assert_eq!(sampling.coverage(), None);
    }
}
