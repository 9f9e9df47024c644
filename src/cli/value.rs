//! Values of options that clap does not know: times, percentages, parts, sizes. An error says what was expected.

use std::time::Duration;

use regex::Regex;

/// What probes may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overhead {
    /// The part of the CPU time of the observed, 0 to 1; `None`: any.
    pub limit: Option<f64>,
}

/// What is allowed if nothing is said: nobody is to be slowed down much by somebody who did not think of it.
impl Default for Overhead {
    fn default() -> Self {
        Self { limit: Some(0.25) }
    }
}

/// An expression for names. What is wrong with it is said without drawing it.
pub(super) fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|why| {
        let why = why.to_string();
        let last = why.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it cannot be understood").trim();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    })
}

/// `10s`, `500ms`, `2m`, `1h`, `250us`, `100ns`; a bare number is seconds. Not zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds_per_unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}: use ns, us, ms, s, m or h")),
    };
    let value: f64 = number
        .parse()
        .map_err(|_| "expected a time such as 10s or 500ms".to_owned())?;
    match Duration::try_from_secs_f64(value * seconds_per_unit) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("must be more than zero".to_owned()),
        Err(_) => Err("is too long".to_owned()),
    }
}

/// `5%`, `0.5`: a part of a whole, in percent; `none`: no limit.
pub(super) fn overhead(text: &str) -> Result<Overhead, String> {
    let limit = match text {
        "none" => None,
        text => Some(percent(text)?),
    };
    Ok(Overhead { limit })
}

/// 0 to 1 when parsed.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("expected a percentage such as 5%, or none".to_owned()),
    }
}

/// `1/16`: the 16.
pub(super) fn sample(text: &str) -> Result<u32, String> {
    match text.strip_prefix("1/").map(str::parse::<u32>) {
        Some(Ok(n)) if n > 0 => Ok(n),
        _ => Err("expected a part such as 1/16".to_owned()),
    }
}

/// KiB, a power of two from 4 to 1 GiB: what the kernel accepts for a ring buffer.
pub(super) fn ring_size(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(kib) if kib.is_power_of_two() && (4..=1 << 20).contains(&kib) => Ok(kib),
        _ => Err("expected a power of two from 4 to 1048576".to_owned()),
    }
}

/// `512M`, `2G`, `1073741824`: bytes, in units of 1024. Not zero.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err("unknown unit: use K, M or G".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "expected a size such as 512M or 2G".to_owned())?;
    match number.checked_mul(1 << unit) {
        Some(0) => Err("must be more than zero".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("is too much".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("7"), Ok(7));
        for bad in ["", "0", "M", "-1", "1.5G", "5T", "99999999999G", "1M1"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in [
            "",
            "s",
            "0",
            "10d",
            "-1s",
            "1e99h",
            "99999999999999999999999h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(percent("100 %"), Ok(1.0));
        assert_eq!(percent("0.5"), Ok(0.005));
        for bad in ["", "%", "0%", "-1%", "101%", "NaN", "five"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_of_overhead() {
        assert_eq!(overhead("none").unwrap().limit, None);
        assert_eq!(overhead("5%").unwrap().limit, Some(0.05));
        assert_eq!(Overhead::default().limit, Some(0.25));
        assert!(overhead("0").is_err() && overhead("").is_err());
    }

    #[test]
    fn samples() {
        assert_eq!(sample("1/16"), Ok(16));
        for bad in ["", "16", "2/16", "1/0", "1/-3", "1/x"] {
            assert!(sample(bad).is_err(), "{bad}");
        }
    }
}
