//! Looks at some of the goroutines of a process, again and again, from memory: without a probe and without a pause.
//!
//! Goroutines are picked at random, and the pauses between looks are random too, so that nothing that comes regularly is
//! seen always or never. Each goroutine that was picked stands for as many as there are for each that was picked, and for
//! the time since the look before: the sum is goroutine-seconds, right on average whatever goroutines there are and however
//! many.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::go::ReadError;
use crate::go::process::goroutines::GoroutineReader;
use crate::go::process::goroutines::Picked;
use crate::target::Target;
use crate::target::live::Live;

use super::reader::unreadable;

/// Goroutines looked at each time.
const PICKED: u64 = 64;

/// Looks at one process.
#[allow(missing_debug_implementations, reason = "a reader has none")]
pub struct Looks<'a> {
    live: &'a Live,
    reader: GoroutineReader<'a>,
    began: u64,
    random: fastrand::Rng,
    period: Duration,
    last: Instant,
    next: Instant,
}

/// What came of a look.
#[derive(Debug)]
pub enum Look {
    /// Some goroutines, and for how long they stand.
    Picked(Picked, Duration),
    /// Nothing could be read: the list of goroutines was just being changed. The next look stands for this time too.
    Missed,
    /// The process has ended.
    Ended,
    /// It has become another program by exec.
    Replaced,
}

impl<'a> Looks<'a> {
    /// Begins to look at the process of `live`, `hz` times a second on average.
    ///
    /// # Errors
    /// Its goroutines cannot be read.
    pub fn begin(target: &'a Target, live: &'a Live, hz: u32) -> Result<Self> {
        let explain = |why| unreadable(live, why);
        let mut reader =
            GoroutineReader::new(&target.program.binary, &live.view()).map_err(explain)?;
        // Whether the list is one of goroutines, all of them together tell.
        reader.list(&live.memory).map_err(explain)?;
        let now = Instant::now();
        let mut looks = Self {
            live,
            reader,
            began: live.began().map_err(explain)?,
            random: fastrand::Rng::new(),
            period: Duration::from_secs(1) / hz.max(1),
            last: now,
            next: now,
        };
        looks.plan_next(now);
        Ok(looks)
    }

    /// The moment of the next look; another one, too, is as good.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Between half and one and a half of the period from now.
    fn plan_next(&mut self, now: Instant) {
        self.next = now + self.period / 2 + self.period.mul_f64(self.random.f64());
    }

    /// Looks.
    ///
    /// # Errors
    /// Its memory may not be read any more.
    pub fn look(&mut self) -> Result<Look> {
        let now = Instant::now();
        let random = &mut self.random;
        let picked = self
            .reader
            .pick(&self.live.memory, PICKED, &mut |range| random.u64(range));
        let look = match (self.live.is_another(self.began), picked) {
            (Ok(true), _) => Look::Replaced,
            (Err(why), _) | (_, Err(why)) if self.live.has_ended(&why) => Look::Ended,
            (Ok(false), Ok(picked)) => {
                let time = now.duration_since(self.last);
                self.last = now;
                Look::Picked(picked, time)
            }
            (_, Err(why @ ReadError::Memory(_))) if why.is_final() => {
                return Err(unreadable(self.live, why));
            }
            _ => Look::Missed,
        };
        self.plan_next(now);
        Ok(look)
    }
}
