//! The runtime's histograms of durations (`timeHistogram`, runtime/histogram.go), as runtime/metrics shows them.
//!
//! Two forms are known: that of Go 1.19 (45 × 16 buckets, an underflow, no overflow: what is too long counts in the last
//! bucket), and that of Go 1.20 to 1.27 (40 × 4 buckets, underflow, overflow).

use crate::model::metric::Distribution;

use super::block::Block;
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;

/// How the buckets are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// `timeHistMinBucketBits - 1`: durations below 2 to this power (ns) share the first super-bucket.
    low_bits: u32,
    /// `timeHistSubBucketBits`.
    sub_bits: u32,
    /// Super-buckets.
    supers: u32,
    /// Whether there is a counter for what exceeds the last.
    overflow: bool,
}

const FORMS: [Form; 2] = [
    // Go 1.19: timeHistSubBucketBits = 4, timeHistNumSuperBuckets = 45.
    Form {
        low_bits: 4,
        sub_bits: 4,
        supers: 45,
        overflow: false,
    },
    // Go 1.20 to 1.27: timeHistMinBucketBits = 9, timeHistMaxBucketBits = 48, timeHistSubBucketBits = 2.
    Form {
        low_bits: 8,
        sub_bits: 2,
        supers: 40,
        overflow: true,
    },
];

impl Form {
    /// The form with this many counts.
    fn of(counts: u64, overflow: bool) -> Option<Self> {
        FORMS.into_iter().find(|form| {
            u64::from(form.supers) << form.sub_bits == counts && form.overflow == overflow
        })
    }

    /// The boundaries in seconds: `timeHistogramMetricsBuckets`.
    fn bounds(self) -> Vec<f64> {
        let mut bounds = vec![f64::NEG_INFINITY];
        let subs = 1_u64 << self.sub_bits;
        for number in 0..self.supers {
            // The first super-bucket begins at 0 and has the width of the second.
            let (start, shift) = match number.checked_sub(1) {
                None => (0, self.low_bits - self.sub_bits),
                Some(above) => (
                    1_u64 << (self.low_bits + above),
                    self.low_bits + above - self.sub_bits,
                ),
            };
            bounds.extend((0..subs).map(|sub| (start | sub << shift) as f64 / 1e9));
        }
        if self.overflow {
            let end = 1_u64 << (self.low_bits + self.supers - 1);
            bounds.push(end as f64 / 1e9);
        }
        bounds.push(f64::INFINITY);
        bounds
    }
}

/// Decodes the histogram at `offset` of a block.
///
/// # Errors
/// Its form is not one of those known.
pub(in crate::go) fn decode(
    view: &ProcessView<'_>,
    block: &Block,
    offset: u64,
) -> Result<Distribution, ReadError> {
    let number = view.offset(Field::TimeHistogramCountsLen)?;
    let overflow = view.known(Field::TimeHistogramOverflow);
    let form = Form::of(number, overflow.is_some()).ok_or_else(|| {
        ReadError::Unknown(format!(
            "histograms of {number} buckets are not known to grtmon"
        ))
    })?;
    let counts = offset + view.offset(Field::TimeHistogramCounts)?;
    let underflow = offset + view.offset(Field::TimeHistogramUnderflow)?;
    let places = std::iter::once(underflow)
        .chain((0..number).map(|index| counts + 8 * index))
        .chain(overflow.map(|overflow| offset + overflow));
    let counts: Option<Vec<u64>> = places.map(|place| block.u64(place)).collect();
    let counts =
        counts.ok_or_else(|| ReadError::Unknown("a histogram's size is not known".to_owned()))?;
    Ok(Distribution {
        bounds: form.bounds(),
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bucket `timeHistogram.record` counts a duration in, written as in the runtime of Go 1.27; without underflow.
    fn record(duration: u64) -> usize {
        let bits = u64::BITS - duration.leading_zeros();
        let (bit, bucket) = if bits < 9 { (9, 0) } else { (bits, bits - 8) };
        if bucket >= 40 {
            return 160;
        }
        (bucket * 4) as usize + ((duration >> (bit - 3)) % 4) as usize
    }

    #[test]
    fn boundaries_are_those_of_the_runtime() {
        for form in FORMS {
            let bounds = form.bounds();
            let counts = (form.supers as usize) << form.sub_bits;
            assert_eq!(bounds.len(), counts + 2 + usize::from(form.overflow));
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
        let bounds = FORMS[1].bounds();
        for power in 0..50 {
            for duration in [1 << power, (1 << power) - 1, (1 << power) * 5 / 4] {
                let bucket = record(duration) + 1;
                let seconds = duration as f64 / 1e9;
                assert!(
                    bounds[bucket] <= seconds && seconds < bounds[bucket + 1],
                    "{duration}"
                );
            }
        }
        let old = FORMS[0].bounds();
        assert_eq!(old[1..4], [0.0, 1e-9, 2e-9]);
        assert_eq!(old[17..19], [16e-9, 17e-9]);
        assert_eq!(old[33], 32e-9);
        assert_eq!(old[34], 34e-9);
    }
}
