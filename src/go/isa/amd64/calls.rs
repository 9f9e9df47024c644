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

/// Where the upper half of the distance lies in a call.
const UPPER: [usize; 2] = [3, 4];

/// So many bytes are compared together.
const TOGETHER: usize = 128;

/// Where a `call rel32` may be that calls one of `targets`, in code that lies at `start`, ascending. Every such call is among
/// them; of others only some that are cut off by the end of the code.
///
/// Every 60th byte or so of a program is that of a call, and most of the others call something else. But over 64 KiB of code
/// the distance to a function has the same upper half, which few other calls have.
pub(in crate::go) fn possible_calls_to(code: &[u8], start: u64, targets: &[u64]) -> Vec<usize> {
    let distance = |to: &u64, at: usize| {
        let behind = start.wrapping_add((at + SIZE) as u64);
        to.wrapping_sub(behind) as u32
    };
    let mut found = Vec::new();
    if targets.is_empty() {
        return found;
    }
    let whole = code.len().saturating_sub(SIZE - 1);
    let mut from = 0;
    while from < whole {
        // The distance becomes shorter by one with each byte.
        let same = |to| (distance(to, from) & 0xffff) as usize + 1;
        let size = targets.iter().map(same).min().unwrap_or(whole);
        let end = from.saturating_add(size).min(whole);
        let mut halves: Vec<u16> = Vec::with_capacity(targets.len());
        for to in targets {
            let half = (distance(to, from) >> 16) as u16;
            if !halves.contains(&half) {
                halves.push(half);
            }
        }
        for begin in (from..end).step_by(TOGETHER) {
            let piece = |at: usize| code.get(begin + at..)?.first_chunk();
            if let Some(first) = piece(0)
                && let Some(third) = piece(UPPER[0])
                && let Some(fourth) = piece(UPPER[1])
                && !halves.iter().any(|it| has_any(first, third, fourth, *it))
            {
                continue;
            }
            let together = code.get(begin..end.min(begin + TOGETHER));
            let calls = possible_calls(together.unwrap_or_default()).map(|at| begin + at);
            found.extend(calls.filter(|at| {
                let bytes = code.get(*at..).unwrap_or_default();
                let callee = called_from(start.wrapping_add(*at as u64), bytes);
                callee.is_some_and(|callee| targets.contains(&callee))
            }));
        }
        from = end;
    }
    let cut_off = possible_calls(code.get(whole..).unwrap_or_default());
    found.extend(cut_off.map(|at| whole + at));
    found
}

/// Whether there is a call whose distance has this upper half; `third` and `fourth` begin where its bytes do in a call that
/// lies at the beginning of `first`. Without a branch, so that the compiler compares many at once.
fn has_any(
    first: &[u8; TOGETHER],
    third: &[u8; TOGETHER],
    fourth: &[u8; TOGETHER],
    half: u16,
) -> bool {
    let [low, high] = half.to_le_bytes();
    let mut any = 0;
    for at in 0..TOGETHER {
        let is_far = u8::from(third[at] == low) & u8::from(fourth[at] == high);
        any |= is_far & u8::from(first[at] == CALL);
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
        // Around where the upper half of the distance becomes another.
        let turn = |to: i64| usize::try_from(to - start - SIZE as i64).unwrap() & 0xffff;
        for to in targets {
            places.extend([turn(to) - 6, turn(to), turn(to) + 6, turn(to) + 0x1_0001]);
        }
        places.push(code.len() - SIZE);
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
