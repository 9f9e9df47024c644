//! Measurements under the names that Go's package runtime/metrics gives them.

use super::quantile::quantile;

/// One metric of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The runtime's name for it, the unit after the colon: `/gc/heap/live:bytes`.
    pub name: &'static str,
    /// Its value, or one clause why it cannot be read from outside.
    pub value: Result<Value, String>,
}

/// The value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// A number with a fraction.
    Fraction(f64),
    /// A distribution.
    Distribution(Distribution),
}

/// How often a value fell into each of many buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    /// One more than there are counts: bucket i holds values from `bounds[i]` up to, but not including, `bounds[i+1]`.
    /// The first may be −∞, the last is +∞.
    pub bounds: Vec<f64>,
    /// By bucket.
    pub counts: Vec<u64>,
}

/// A bucket that is not empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The least value in it.
    pub from: f64,
    /// Larger than any value in it.
    pub to: f64,
    /// How many there are.
    pub count: u64,
}

impl Distribution {
    /// How many values there are in all.
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The buckets that are not empty, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + Clone + '_ {
        let edges = self.bounds.iter().zip(self.bounds.iter().skip(1));
        edges
            .zip(&self.counts)
            .filter(|(_, count)| **count > 0)
            .map(|((from, to), count)| Bucket {
                from: *from,
                to: *to,
                count: *count,
            })
    }

    /// The bucket in which the value lies that `percent` of 100 values do not exceed; `None` if there are none.
    pub fn quantile(&self, percent: u32) -> Option<Bucket> {
        let buckets = self.buckets().map(|bucket| (bucket, bucket.count));
        quantile(buckets, percent)
    }

    /// What came since an earlier reading of the same distribution.
    pub fn since(&self, before: &Self) -> Self {
        if self.bounds != before.bounds {
            return self.clone();
        }
        let counts = self.counts.iter().zip(&before.counts);
        Self {
            bounds: self.bounds.clone(),
            counts: counts
                .map(|(now, then)| now.saturating_sub(*then))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Distribution {
        Distribution {
            bounds: vec![f64::NEG_INFINITY, 0.0, 1.0, 2.0, f64::INFINITY],
            counts: vec![0, 90, 9, 1],
        }
    }

    #[test]
    fn quantiles_are_buckets() {
        let of = |percent| sample().quantile(percent).map(|bucket| bucket.from);
        assert_eq!(of(50), Some(0.0));
        assert_eq!(of(90), Some(0.0));
        assert_eq!(of(99), Some(1.0));
        assert_eq!(of(100), Some(2.0));
        assert_eq!(Distribution::default().quantile(50), None);
    }

    #[test]
    fn differences_are_by_bucket() {
        let mut later = sample();
        later.counts = vec![0, 91, 9, 4];
        let came = later.since(&sample());
        assert_eq!(came.counts, [0, 1, 0, 3]);
        assert_eq!(came.total(), 4);
        assert_eq!(came.buckets().count(), 2);
    }
}
