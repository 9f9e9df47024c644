//! The vertical axis of a plot: from where to where, in round numbers.

/// What numbers are round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// 1, 2 and 5 times a power of ten.
    Decimal,
    /// Powers of two: bytes.
    Binary,
}

/// The ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The value at the bottom.
    pub low: f64,
    /// The value at the top.
    pub high: f64,
    logarithmic: bool,
}

impl Scale {
    /// From zero to a round number that none of the values exceeds.
    pub fn from_zero(values: impl Iterator<Item = f64>, round: Round) -> Self {
        let most = values.fold(0.0, f64::max);
        Self {
            low: 0.0,
            high: round_up(most.max(1.0), round),
            logarithmic: false,
        }
    }

    /// As [`from_zero`](Self::from_zero), but if all values are close together only the part of the axis where they lie:
    /// at least a tenth of them, so that noise looks like noise.
    pub fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let most = values.clone().fold(0.0, f64::max);
        let least = values.fold(f64::INFINITY, f64::min);
        if !least.is_finite() || least < most / 2.0 || most < 20.0 {
            return Self::from_zero([most].into_iter(), Round::Decimal);
        }
        let step = round_up(((most - least) / 2.0).max(most / 20.0), Round::Decimal);
        // The least is to be seen too.
        Self {
            low: ((least / step).ceil() - 1.0) * step,
            high: ((most / step).floor() + 1.0) * step,
            logarithmic: false,
        }
    }

    /// From a power of ten, at least 100, to a power of ten: for times that differ by orders of magnitude.
    pub fn logarithmic(values: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = values.filter(|value| *value > 0.0);
        let most = positive.clone().fold(0.0, f64::max).max(1000.0);
        let least = positive.fold(f64::INFINITY, f64::min).min(most);
        let high = 10_f64.powf(most.log10().ceil());
        // A decade below the least, so that the least is seen.
        let low = 10_f64.powf((least.max(1.0).log10().ceil() - 1.0).max(2.0));
        Self {
            low: low.min(high / 10.0),
            high,
            logarithmic: true,
        }
    }

    /// How far up a value is, 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            if value <= self.low {
                return 0.0;
            }
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// The least round number that is not less.
fn round_up(value: f64, round: Round) -> f64 {
    match round {
        Round::Binary => 2_f64.powf(value.log2().ceil()),
        Round::Decimal => {
            let power = 10_f64.powf(value.log10().floor());
            let steps = [1.0, 2.0, 5.0, 10.0];
            let fits = |step: &f64| step * power >= value * (1.0 - 1e-9);
            steps.into_iter().find(fits).unwrap_or(10.0) * power
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(scale: Scale) -> (f64, f64) {
        (scale.low, scale.high)
    }

    #[test]
    fn ends_are_round() {
        let zero = |most| ends(Scale::from_zero([1.0, most].into_iter(), Round::Decimal)).1;
        assert_eq!(
            [zero(0.0), zero(3.0), zero(5.0), zero(5.1), zero(1003.0)],
            [1.0, 5.0, 5.0, 10.0, 2000.0]
        );
        let bytes = Scale::from_zero([3e6].into_iter(), Round::Binary);
        assert_eq!(bytes.high, 4_194_304.0);
        assert_eq!(Scale::from_zero([].into_iter(), Round::Binary).high, 1.0);
    }

    #[test]
    fn many_that_grow_slowly_are_seen_to_grow() {
        let around = |values: &[f64]| ends(Scale::around(values.iter().copied()));
        assert_eq!(around(&[100_003.0, 100_403.0]), (100_000.0, 110_000.0));
        assert_eq!(around(&[1000.0, 1500.0]), (500.0, 2000.0));
        assert_eq!(around(&[26.0, 26.0]), (24.0, 28.0));
        assert_eq!(around(&[3.0, 4.0]), (0.0, 5.0));
        assert_eq!(around(&[10.0, 1000.0]), (0.0, 1000.0));
        assert_eq!(around(&[]), (0.0, 1.0));
    }

    #[test]
    fn decades_have_the_same_height() {
        let scale = Scale::logarithmic([3_000.0, 2_000_000.0].into_iter());
        assert_eq!(ends(scale), (1000.0, 10_000_000.0));
        assert_eq!(scale.share(10_000.0), 0.25);
        assert_eq!(scale.share(0.0), 0.0);
        assert_eq!(scale.share(f64::NAN), 0.0);
        let (low, high) = ends(Scale::logarithmic([].into_iter()));
        assert!(low < high);
        let one = Scale::logarithmic([1000.0].into_iter());
        assert!(one.share(1000.0) > 0.9, "{one:?}");
    }
}
