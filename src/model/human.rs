//! Numbers as people read them: short, with their units.

use std::time::Duration;

/// `812ns`, `1.2µs`, `34.5ms`, `6.07s`: three digits that count; from 100 seconds on `2m16s`, `1h2m16s`, `23h59m`, `15d2h`.
pub fn human_duration(ns: u64, text: &mut [u8; 16]) -> &str {
    use std::io::Write;

    const UNITS: [(&str, u64); 3] = [("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)];
    let capacity = text.len();
    let mut rest = &mut text[..];
    let seconds = ns / 1_000_000_000;
    let [minutes, hours, days] = [60, 3600, 86_400].map(|size| seconds / size);
    let written = match UNITS.into_iter().find(|(_, size)| ns >= *size) {
        _ if days >= 1000 => write!(rest, "{days}d"),
        _ if days > 0 => write!(rest, "{days}d{}h", hours % 24),
        _ if hours >= 10 => write!(rest, "{hours}h{}m", minutes % 60),
        _ if hours > 0 => write!(rest, "{hours}h{}m{}s", minutes % 60, seconds % 60),
        _ if seconds >= 100 => write!(rest, "{minutes}m{}s", seconds % 60),
        None => write!(rest, "{ns}ns"),
        Some((unit, size)) => {
            let value = ns as f64 / size as f64;
            let digits = if value >= 100.0 {
                0
            } else {
                usize::from(value < 10.0) + 1
            };
            write!(rest, "{value:.digits$}{unit}")
        }
    };
    let left = rest.len();
    let used = if written.is_ok() { capacity - left } else { 0 };
    std::str::from_utf8(text.get(..used).unwrap_or_default()).unwrap_or("?")
}

/// The same as a text of its own.
pub fn duration(ns: u64) -> String {
    human_duration(ns, &mut [0; 16]).to_owned()
}

/// `812 B`, `1.2 KiB`, `34 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // Rounded to three digits, 1023.6 would become 1024.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value >= 99.95 {
        0
    } else {
        usize::from(value < 9.995) + 1
    };
    format!("{value:.digits$} {}", UNITS.get(unit).unwrap_or(&""))
}

/// A number in at most so many characters (four at least): `812`, else as [`scaled`].
pub fn compact(value: Option<u64>, width: usize) -> String {
    let Some(value) = value else {
        return "?".to_owned();
    };
    let digits = value.to_string();
    if digits.len() <= width {
        return digits;
    }
    scaled(Some(value as f64), 1000.0)
}

/// `812`, `1.2k`, `34M`: at most five characters. Steps of 1000, or of 1024 for bytes (then in capitals).
pub fn scaled(value: Option<f64>, step: f64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let Some(mut value) = value else {
        return "?".to_owned();
    };
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= step;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    let unit = if step > 1000.0 && unit == "k" {
        "K"
    } else {
        unit
    };
    format!("{value:.digits$}{unit}")
}

/// `1 goroutine`, `2 goroutines`: `what` takes an s.
pub fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// `42s`, `12m`, `3h`, `45d`.
pub fn uptime(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        let mut text = [0; 16];
        for (ns, expected) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_234, "1.23µs"),
            (34_500_000, "34.5ms"),
            (100_200_000, "100ms"),
            (6_070_000_000, "6.07s"),
            (99_900_000_000, "99.9s"),
            (100_000_000_000, "1m40s"),
            (3_599_999_999_999, "59m59s"),
            (3_736_000_000_000, "1h2m16s"),
            (35_999_000_000_000, "9h59m59s"),
            (86_399_000_000_000, "23h59m"),
            (1_303_200_000_000_000, "15d2h"),
            (u64::MAX, "213503d"),
        ] {
            assert_eq!(human_duration(ns, &mut text), expected);
        }
    }

    #[test]
    fn one_is_not_many() {
        let said = [0, 1, 2, 21].map(|count| counted(count, "row"));
        assert_eq!(said, ["0 rows", "1 row", "2 rows", "21 rows"]);
    }

    #[test]
    fn numbers_are_short() {
        for (value, step, expected) in [
            (0.0, 1000.0, "0"),
            (999.4, 1000.0, "999"),
            (999.6, 1000.0, "1.0k"),
            (1023.0, 1024.0, "1.0K"),
            (123_456.0, 1000.0, "123k"),
            (9.99e9, 1000.0, "10G"),
        ] {
            assert_eq!(scaled(Some(value), step), expected);
        }
        assert_eq!(scaled(None, 1000.0), "?");
        assert_eq!(compact(Some(99_999), 5), "99999");
        assert_eq!(compact(Some(123_456), 5), "123k");
        assert_eq!(compact(Some(u64::MAX), 4), "18E");
    }

    #[test]
    fn bytes_for_people() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1_048_575, "1.00 MiB"),
            (150 << 20, "150 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human_bytes(bytes), expected);
        }
    }
}
