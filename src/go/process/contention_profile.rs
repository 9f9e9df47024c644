//! The runtime's own profiles of waiting: which stacks have waited for others, and which have let others wait, how often and
//! for how long, since the program began (runtime/mprof.go).
//!
//! A program keeps them where it asks for it (`runtime.SetBlockProfileRate`, `SetMutexProfileFraction`). A record is `count float64; cycles int64` in Go 1.19 to 1.27, and says itself whether it is
//! one: nothing is counted less than once, and a floating-point number is no plausible time.

use super::block::{Block, read_all};
use super::bucket::Buckets;
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;
use crate::go::layout::globals::contention::ContentionGlobals;

/// Records read together.
const BATCH: usize = 512;

/// Bytes of a `blockRecord`, and where its parts lie.
const RECORD: u64 = 16;
const COUNT: u64 = 0;
const CYCLES: u64 = 8;

/// Centuries.
const LONG: u64 = 1 << 62;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Who has waited: `block`.
    Waited,
    /// Who has let others wait: `mutex`.
    LetWait,
}

/// Waits that ended on one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// Live addresses, innermost first: see [`expanded`](super::call_stacks::CallStacks::expanded).
    pub stack: Vec<u64>,
    /// How many were noted.
    pub count: u64,
    /// For how long they were, in ticks of the processor.
    pub ticks: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentionProfile {
    /// What the program has asked for, in ticks, or one of so many; 0: nothing is noted now.
    pub rate: u64,
    /// By stack.
    pub waits: Vec<Waits>,
    /// How many each that was noted stands for; `None`: for a number that is not known any more.
    pub scale: Option<u64>,
    /// Ticks of a second, if the program has measured that.
    pub ticks_per_second: Option<u64>,
}

impl Which {
    /// `bucket.typ`: `blockProfile`, `mutexProfile`.
    const fn kind(self) -> u64 {
        match self {
            Which::Waited => 2,
            Which::LetWait => 3,
        }
    }

    fn rate(self, globals: &ContentionGlobals) -> (&'static str, Option<u64>) {
        match self {
            Which::Waited => ("blockprofilerate", globals.block_rate),
            Which::LetWait => ("mutexprofilerate", globals.mutex_rate),
        }
    }
}

/// Why it cannot be read of this binary, if it cannot: one clause.
pub fn obstacle(globals: &ContentionGlobals, which: Which) -> Option<String> {
    let (name, address) = which.rate(globals);
    let missing = match address {
        None => name,
        // That of memory, and these two.
        Some(_) if globals.lists.len() < 3 => match which {
            Which::Waited => "bbuckets",
            Which::LetWait => "xbuckets",
        },
        Some(_) => return None,
    };
    Some(format!(
        "the variable runtime.{missing} was not found in the binary"
    ))
}

/// Reads it.
///
/// # Errors
/// [`ReadError::Unknown`]: where it lies is not known of this binary. Otherwise it could not be read, or is not what it is
/// taken for.
pub fn read(
    view: &ProcessView<'_>,
    globals: &ContentionGlobals,
    which: Which,
) -> Result<ContentionProfile, ReadError> {
    if let Some(why) = obstacle(globals, which) {
        return Err(ReadError::Unknown(why));
    }
    let word = |address: Option<u64>| {
        let address = address.map(|address| address.wrapping_add(view.bias));
        address.map_or(Ok(0), |address| view.memory.u64(address))
    };
    let (_, rate) = which.rate(globals);
    let (mut waits, mut records) = (Vec::new(), Vec::new());
    if let Some(first) = first(view, globals, which)? {
        let mut buckets = Buckets::from(view, first)?;
        while let Some(bucket) = buckets.next()? {
            records.push(Block::new(bucket.record, RECORD)?);
            waits.push(Waits {
                stack: bucket.stack,
                count: 0,
                ticks: 0,
            });
        }
    }
    for batch in records.chunks_mut(BATCH) {
        read_all(view, batch)?;
    }
    for (waits, record) in waits.iter_mut().zip(&records) {
        (waits.count, waits.ticks) = numbers(record).ok_or_else(|| {
            ReadError::Implausible("a stack waited for a time that is none".to_owned())
        })?;
        if which == Which::Waited {
            // One of so many that waited for so short a time (`blockProfileInternal`).
            waits.count = waits.count.max(1);
        }
    }
    let rate = word(rate)?;
    let scale = match which {
        Which::LetWait if globals.notes_unscaled => Some(rate).filter(|rate| *rate > 0),
        _ => Some(1),
    };
    Ok(ContentionProfile {
        rate,
        scale,
        waits,
        ticks_per_second: Some(word(globals.ticks_per_second)?).filter(|ticks| *ticks > 0),
    })
}

/// The newest of the list: of the variables that may be its head, the one that leads to something of this kind. `None`: the
/// list is empty. (In a program that keeps no such list nothing confirms where a bucket says its kind; nor is there need to.)
fn first(
    view: &ProcessView<'_>,
    globals: &ContentionGlobals,
    which: Which,
) -> Result<Option<u64>, ReadError> {
    let mut found = None;
    for list in &globals.lists {
        let bucket = view.memory.u64(list.wrapping_add(view.bias))?;
        if !Buckets::is_one(view, bucket)? {
            continue;
        }
        let kind = view.offset(Field::BucketTyp)?;
        let said = view.memory.u64(bucket.wrapping_add(kind))?;
        if said != which.kind() {
            continue;
        }
        if found.replace(bucket).is_some() {
            return Err(ReadError::Implausible(
                "it has two lists of stacks that waited".to_owned(),
            ));
        }
    }
    Ok(found)
}

/// How many waits, and for how long.
fn numbers(record: &Block) -> Option<(u64, u64)> {
    let count = f64::from_bits(record.u64(COUNT)?);
    let ticks = record.u64(CYCLES)?;
    let is_one = count == 0.0 || (1.0..LONG as f64).contains(&count);
    (is_one && ticks < LONG).then_some((count as u64, ticks))
}

impl ContentionProfile {
    /// How many waits some that were noted stand for, and for how many nanoseconds, as Go reckons them
    /// (`printCountCycleProfile`, runtime/pprof/pprof.go).
    pub fn values(&self, waits: &Waits, ticks_per_second: u64) -> [u64; 2] {
        let scale = self.scale.unwrap_or(1);
        let ns = nanoseconds(waits.ticks, ticks_per_second) * scale as f64;
        [waits.count.saturating_mul(scale), ns as u64]
    }

    /// The rate, as a time.
    pub fn rate_ns(&self, ticks_per_second: u64) -> u64 {
        nanoseconds(self.rate, ticks_per_second) as u64
    }
}

fn nanoseconds(ticks: u64, ticks_per_second: u64) -> f64 {
    ticks as f64 / (ticks_per_second.max(1) as f64 / 1e9)
}

/// Whether goroutines that do this wait for others, in such a way that the runtime would note it: on channels, locks,
/// groups and conditions. `functions` are those of its stack.
pub fn is_noted<'n>(
    which: Which,
    activity: &str,
    mut functions: impl Iterator<Item = &'n str>,
) -> bool {
    let activity = activity.trim_end_matches(" (durable)");
    let mut is_lock = || {
        functions.any(|name| {
            let name = name.trim_start_matches("internal/");
            name.starts_with("sync.(*Mutex)") || name.starts_with("sync.(*RWMutex)")
        })
    };
    match (activity, which) {
        ("sync.Mutex.Lock" | "sync.RWMutex.RLock" | "sync.RWMutex.Lock", _) => true,
        // Of what, older versions do not say.
        ("semacquire", Which::LetWait) => is_lock(),
        (
            "semacquire"
            | "chan receive"
            | "chan send"
            | "select"
            | "sync.WaitGroup.Wait"
            | "sync.Cond.Wait",
            Which::Waited,
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(words: [u64; 2]) -> Block {
        let mut block = Block::new(0x1000, RECORD).unwrap();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        block.piece().buf.copy_from_slice(&bytes);
        block
    }

    #[test]
    fn a_record_says_whether_it_is_one() {
        assert_eq!(numbers(&record([2.5f64.to_bits(), 77])), Some((2, 77)));
        assert_eq!(numbers(&record([0, 0])), Some((0, 0)));
        // The other way round, and two counts.
        assert_eq!(numbers(&record([77, 2.5f64.to_bits()])), None);
        assert_eq!(numbers(&record([77, 1])), None);
        assert_eq!(numbers(&record([f64::NAN.to_bits(), 1])), None);
        assert_eq!(numbers(&record([(-1.0f64).to_bits(), 1])), None);
    }

    #[test]
    fn what_waits_for_others() {
        let no = std::iter::empty::<&str>;
        assert!(is_noted(Which::Waited, "chan receive", no()));
        assert!(is_noted(Which::Waited, "select (durable)", no()));
        assert!(is_noted(Which::Waited, "sync.Mutex.Lock", no()));
        assert!(!is_noted(Which::Waited, "sleep", no()));
        assert!(!is_noted(Which::Waited, "select (no cases)", no()));
        assert!(!is_noted(Which::LetWait, "chan receive", no()));
        assert!(!is_noted(Which::LetWait, "semacquire", no()));
        let lock = ["sync.(*Mutex).Lock", "main.f"].into_iter();
        assert!(is_noted(Which::LetWait, "semacquire", lock));
    }
}
