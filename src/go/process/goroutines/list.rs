//! Where all goroutines of a process are.

use super::{ATTEMPTS, GoroutineReader, MAX_GOROUTINES};
use crate::go::memory::ReadMemory;
use crate::go::process::left_over;
use crate::go::process::runtime_info::ReadError;

impl GoroutineReader<'_> {
    /// The addresses of all `g`s.
    pub(super) fn addresses(
        &self,
        memory: &dyn ReadMemory,
        held: Option<u64>,
    ) -> Result<Vec<u64>, ReadError> {
        let Some(left) = self.halted.as_ref().and_then(|it| it.left.as_deref()) else {
            return self.listed(memory, held);
        };
        self.listed(memory, held).or_else(|why| {
            let is_code = |pc: u64| self.tables.contains(pc.wrapping_sub(self.bias));
            let found = left_over::goroutines(memory, left, &self.g, is_code);
            if found.is_empty() {
                Err(why)
            } else {
                Ok(found)
            }
        })
    }

    /// Whether the part of memory that is lost may hold goroutines that are not in a dump.
    pub fn may_lack_some(&self, memory: &dyn ReadMemory) -> bool {
        self.is_cut_off() && self.listed(memory, memory.held()).is_err()
    }

    /// The addresses of all `g`s, as the runtime's list has them, of a process that has `held` bytes of memory.
    pub(super) fn listed(
        &self,
        memory: &dyn ReadMemory,
        held: Option<u64>,
    ) -> Result<Vec<u64>, ReadError> {
        let most = held.map_or(MAX_GOROUTINES, |held| held / self.g.size.max(1) as u64);
        let mut fault = "runtime.allgs is not a list of goroutines";
        for _ in 0..ATTEMPTS {
            // The runtime writes the words of the slice one after the other, and may free the old array.
            let header = memory.slice_header(self.allgs)?;
            if header.len == 0 && header.is_plausible() {
                return Err(ReadError::Implausible(
                    "there are no goroutines yet".to_owned(),
                ));
            }
            if !header.is_plausible() || header.len > MAX_GOROUTINES {
                continue;
            }
            if header.len > most {
                fault = "runtime.allgs lists more goroutines than the process has memory for";
                continue;
            }
            let addresses = memory.words(header.ptr, header.len, MAX_GOROUTINES as usize);
            let after = memory.slice_header(self.allgs)?;
            match addresses {
                Ok(addresses) if after.ptr == header.ptr => {
                    if !overlap(&addresses, self.g.size as u64) {
                        return Ok(addresses);
                    }
                    fault = "runtime.allgs lists goroutines more than once";
                }
                Err(why) if why.is_final() => return Err(why.into()),
                _ => {}
            }
        }
        Err(ReadError::Implausible(fault.to_owned()))
    }
}

/// Whether some of these lie less than `size` bytes apart.
fn overlap(addresses: &[u64], size: u64) -> bool {
    let mut sorted = addresses.to_vec();
    sorted.sort_unstable();
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs.into_iter().any(|(one, next)| next - one < size)
}
