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

/// So many bytes are compared together; where one lies among them fits into one byte.
const TOGETHER: usize = 256;

/// So many callees are looked for at once.
const CALLEES: usize = 2;

/// Where a `call rel32` may be that calls one of `targets`, in code that lies at `start`, ascending. Every such call is among
/// them; of others only some that are cut off by the end of the code.
///
/// Every 60th byte or so of a program is that of a call. But where a call lies and what it adds to that make its callee; the
/// lowest two bytes of the sum are told by those of both. Few other calls have the same, and are looked at.
pub(in crate::go) fn possible_calls_to(code: &[u8], start: u64, targets: &[u64]) -> Vec<usize> {
    let behind = start.wrapping_add(SIZE as u64);
    let sums = targets.iter().map(|to| to.wrapping_sub(behind) as u16);
    let mut sums: Vec<u16> = sums.collect();
    let Some(first) = sums.first().copied() else {
        return Vec::new();
    };
    sums.resize(sums.len().max(CALLEES), first);
    let sums: Option<[u16; CALLEES]> = sums.try_into().ok();
    let mut found = Vec::new();
    for (number, together) in code.chunks(TOGETHER).enumerate() {
        let begin = number * TOGETHER;
        let from = |at: usize| code.get(begin + at..)?.first_chunk::<TOGETHER>();
        if let (Some(first), Some(second), Some(third), Some(sums)) =
            (from(0), from(1), from(2), &sums)
            && !has_any(
                first,
                second,
                third,
                &sums.map(|sum| sum.wrapping_sub(begin as u16)),
            )
        {
            continue;
        }
        let calls = possible_calls(together).map(|at| begin + at);
        found.extend(calls.filter(|at| {
            let bytes = code.get(*at..).unwrap_or_default();
            let callee = called_from(start.wrapping_add(*at as u64), bytes);
            callee.is_none_or(|callee| targets.contains(&callee))
        }));
    }
    found
}

/// Whether there is a call in which the place and the first two bytes of the distance make one of `sums`; `second` and `third`
/// begin one and two bytes behind `first`. Without a branch, so that the compiler compares many at once.
fn has_any(
    first: &[u8; TOGETHER],
    second: &[u8; TOGETHER],
    third: &[u8; TOGETHER],
    sums: &[u16; CALLEES],
) -> bool {
    let [one, other] = sums.map(u16::to_le_bytes);
    let mut any = 0;
    for at in 0..TOGETHER {
        let low = second[at].wrapping_add(at as u8);
        let high = third[at].wrapping_add(u8::from(low < second[at]));
        let is_one = u8::from(low == one[0]) & u8::from(high == one[1]);
        let is_other = u8::from(low == other[0]) & u8::from(high == other[1]);
        any |= (is_one | is_other) & u8::from(first[at] == CALL);
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
        places.extend([
            TOGETHER - 2,
            2 * TOGETHER - 5,
            4 * TOGETHER,
            code.len() - SIZE,
        ]);
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
        let many = [targets[0], targets[1], 0x50_0000, 0x60_0000, 0x70_0000];
        let found = possible_calls_to(&code, start as u64, &many);
        assert!(all.iter().all(|place| found.contains(place)));
    }
}
