//! Calls in code that is not decoded.

/// `call rel32`.
const CALL: u8 = 0xe8;

/// Its bytes.
const SIZE: usize = 5;

/// Where `call rel32` may be in some code.
pub(in crate::go) fn possible_calls(code: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr_iter(CALL, code)
}

/// The callee of a `call rel32`.
pub(in crate::go) fn called_from(call: u64, bytes: &[u8]) -> Option<u64> {
    let distance = i32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
    Some(call.wrapping_add(5).wrapping_add_signed(distance.into()))
}

/// As much code as is looked through for the same distances,
const STRETCH: usize = 1 << 15;

/// and as many bytes of it as are compared together.
const TOGETHER: usize = 64;

/// So many values of the third byte of a distance are looked for at once.
const VALUES: usize = 4;

/// Where a `call rel32` may be that calls one of `targets`, in code that lies at `start`, ascending. Every such call is among
/// them but one that reaches beyond the end of the code, which is if its first byte is a call's.
///
/// Every 60th byte or so of a program is that of a call. But from a stretch of code the distances to one place differ little: in
/// their third byte only by one. So few places are left to be looked at.
pub(in crate::go) fn possible_calls_to(code: &[u8], start: u64, targets: &[u64]) -> Vec<usize> {
    let mut found = Vec::new();
    for (number, stretch) in code.chunks(STRETCH).enumerate() {
        let begin = number * STRETCH;
        let thirds = thirds(start.wrapping_add(begin as u64), stretch.len(), targets);
        let Some(thirds) = thirds else {
            found.extend(possible_calls(stretch).map(|at| begin + at));
            continue;
        };
        for (number, together) in stretch.chunks(TOGETHER).enumerate() {
            let begin = begin + number * TOGETHER;
            let both = together.first_chunk::<TOGETHER>();
            let both = both.zip(code.get(begin + 3..).and_then(<[u8]>::first_chunk));
            if both.is_some_and(|(first, third)| !has_any(first, third, &thirds)) {
                continue;
            }
            let calls = possible_calls(together).map(|at| begin + at);
            found.extend(calls.filter(|at| {
                let bytes = code.get(*at..).unwrap_or_default();
                let callee = called_from(start.wrapping_add(*at as u64), bytes);
                callee.is_none_or(|callee| targets.contains(&callee))
            }));
        }
    }
    found
}

/// The values that the third byte of the distance has in calls of `targets` from so much code at `start`; `None` if too many.
fn thirds(start: u64, size: usize, targets: &[u64]) -> Option<[u8; VALUES]> {
    let mut values: Vec<u8> = Vec::new();
    let behind = start.wrapping_add(SIZE as u64);
    for target in targets {
        let first = target.wrapping_sub(behind);
        let last = first.wrapping_sub(size as u64);
        for distance in [first, last] {
            let third = distance.to_le_bytes()[2];
            if !values.contains(&third) {
                values.push(third);
            }
        }
    }
    let first = *values.first()?;
    values.resize(values.len().max(VALUES), first);
    values.try_into().ok()
}

/// Whether there is a call with one of these bytes as the third of its distance, when both are given from the first byte of
/// each. Without a branch, so that the compiler compares many at once.
fn has_any(first: &[u8; TOGETHER], third: &[u8; TOGETHER], thirds: &[u8; VALUES]) -> bool {
    let [a, b, c, d] = *thirds;
    let mut any = 0;
    for (first, third) in first.iter().zip(third) {
        let is_one = u8::from(*third == a)
            | u8::from(*third == b)
            | u8::from(*third == c)
            | u8::from(*third == d);
        any |= is_one & u8::from(*first == CALL);
    }
    any != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_without_decoding() {
        let code = [0x90, 0xe8, 0xf0, 0xff, 0xff, 0xff, 0xe8, 0x00];
        assert_eq!(possible_calls(&code).collect::<Vec<_>>(), [1, 6]);
        assert_eq!(called_from(0x1001, &code[1..]), Some(0xff6));
        assert_eq!(called_from(0x1006, &code[6..]), None);
    }

    /// Some code without sense, with calls of two functions in it wherever they may lie: all of them are found, and no others.
    #[test]
    fn calls_of_some_functions_are_found_without_looking_at_others() {
        let mut code: Vec<u8> = (0..200_000u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let start = 0x40_0000;
        let targets = [0x41_2340, 0x7f_0000];
        let mut places: Vec<usize> = (0..code.len()).step_by(997).collect();
        places.extend([STRETCH - 2, 2 * STRETCH - 5, 2 * STRETCH, code.len() - SIZE]);
        places.sort_unstable();
        for (number, at) in places.iter().enumerate() {
            let target = targets[number % targets.len()];
            let distance = target - (start + *at as i64 + SIZE as i64);
            code[*at] = CALL;
            code[at + 1..at + SIZE].copy_from_slice(&(distance as i32).to_le_bytes());
        }
        let targets = targets.map(|target| target as u64);
        let all = possible_calls(&code).filter(|at| {
            let callee = called_from(start as u64 + *at as u64, &code[*at..]);
            callee.is_none_or(|callee| targets.contains(&callee))
        });
        let all: Vec<usize> = all.collect();
        assert!(places.iter().all(|place| all.contains(place)));
        assert_eq!(possible_calls_to(&code, start as u64, &targets), all);
        // More than are looked for at once.
        let many = [targets[0], targets[1], 0x50_0000, 0x60_0000];
        let found = possible_calls_to(&code, start as u64, &many);
        assert!(all.iter().all(|place| found.contains(place)));
    }
}
