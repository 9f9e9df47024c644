//! Quantiles of counted values: the one rule by which every figure "p99" is made.

/// The end of the first bucket up to which at least `percent` of 100 values lie; `None` if there are none.
///
/// `buckets` are the ends of buckets, whatever stands for one, in ascending order, and how many values are in each. The rank
/// is rounded up and computed in whole numbers: with 100 values the 99th is p99, with 101 the 100th. A quantile of 0 is
/// the least value.
pub fn quantile<B>(buckets: impl Iterator<Item = (B, u64)> + Clone, percent: u32) -> Option<B> {
    let total: u128 = buckets.clone().map(|(_, count)| u128::from(count)).sum();
    let rank = (total * u128::from(percent)).div_ceil(100).max(1);
    let mut seen = 0_u128;
    let mut last = None;
    for (end, count) in buckets.filter(|(_, count)| *count > 0) {
        seen += u128::from(count);
        last = Some(end);
        if seen >= rank {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::gc::durations::Durations;
    use super::super::histogram::Histogram;
    use super::super::histogram::slot_end_ns;
    use super::super::metric::Distribution;
    use super::*;

    #[test]
    fn ranks_are_rounded_up() {
        let first = |n: u64| (1..=n).map(|value| (value, 1));
        let cases = [
            (0, 50, None),
            (1, 0, Some(1)),
            (1, 50, Some(1)),
            (2, 50, Some(1)),
            (3, 50, Some(2)),
            (100, 99, Some(99)),
            (101, 99, Some(100)),
            (101, 100, Some(101)),
        ];
        for (n, percent, want) in cases {
            assert_eq!(quantile(first(n), percent), want, "p{percent} of {n}");
        }
        let gaps = [(1, 0), (2, 1), (3, 0), (4, 1), (5, 0)];
        assert_eq!(quantile(gaps.into_iter(), 0), Some(2));
        assert_eq!(quantile(gaps.into_iter(), 100), Some(4));
        let many = [(1, u64::MAX), (2, u64::MAX)];
        assert_eq!(quantile(many.into_iter(), 50), Some(1));
        assert_eq!(quantile(many.into_iter(), 51), Some(2));
    }

    /// Whatever the values: where durations are kept as they are, where the kernel counts them in slots, and where the
    /// runtime does in buckets, the same one of them is the quantile.
    #[test]
    fn exact_values_slots_and_buckets_agree() {
        const SLOTS: usize = 200;
        let ends: Vec<u64> = (0..SLOTS).map(slot_end_ns).collect();
        let slot_of = |ns: u64| ends.partition_point(|end| *end < ns);
        let mut state = 1_u64;
        let mut random = || {
            // Knuth's linear congruential generator for 64 bits (MMIX).
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        for round in 0..500 {
            let count = random() % 1_000 + 1;
            let widest = random() % 24 + 1;
            let values: Vec<u64> = (0..count).map(|_| random() % (1 << widest)).collect();
            let max = values.iter().copied().max().unwrap_or(0);
            let mut slots = vec![0; SLOTS];
            let mut exact = Durations::default();
            for ns in &values {
                slots[slot_of(*ns)] += 1;
                exact.add(*ns);
            }
            let kernel = Histogram::from_parts(values.iter().sum(), max, &slots);
            let mut bounds = vec![0.0];
            bounds.extend(ends.iter().map(|end| (end + 1) as f64));
            let runtime = Distribution {
                bounds,
                counts: slots,
            };
            let summary = exact.summary();
            for (percent, ns) in [(50, summary.p50_ns), (99, summary.p99_ns)] {
                let end = ends[slot_of(ns)];
                let case = format!("round {round}, p{percent} of {count}");
                assert_eq!(kernel.quantile_ns(percent), Some(end.min(max)), "{case}");
                let bucket = runtime.quantile(percent).map(|bucket| bucket.to);
                assert_eq!(bucket, Some((end + 1) as f64), "{case}");
            }
        }
    }
}
