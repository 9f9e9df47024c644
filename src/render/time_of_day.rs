//! The time of day, for rows: `18:59:01.123Z`, in UTC like everything that several machines write into one log.

/// Its characters.
pub const WIDTH: usize = 13;

/// Of a time in nanoseconds since 1970.
pub fn time_of_day(unix_ns: u64, text: &mut [u8; WIDTH]) -> &str {
    let ms = unix_ns / 1_000_000;
    let (seconds, ms) = (ms / 1_000 % 86_400, ms % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    *text = *b"00:00:00.000Z";
    for (at, digits, value) in [(0, 2, hours), (3, 2, minutes), (6, 2, seconds), (9, 3, ms)] {
        let mut rest = value;
        for digit in text.iter_mut().skip(at).take(digits).rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    std::str::from_utf8(text).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_any_day() {
        // date -u -d @1795805941
        for (unix_ns, expected) in [
            (0, "00:00:00.000Z"),
            (1_795_805_941_123_999_999, "18:59:01.123Z"),
            (1_795_823_999_999_999_999, "23:59:59.999Z"),
            (1_795_824_000_000_000_000, "00:00:00.000Z"),
        ] {
            assert_eq!(time_of_day(unix_ns, &mut [0; WIDTH]), expected);
        }
    }
}
