//! What tells a bucket of the profile of memory from anything else (runtime/mprof.go).

/// The longest stack that the runtime takes (`maxProfStackDepth`, runtime/mprof.go).
pub(super) const LONGEST: u64 = 1024;

/// The hash of a bucket (`stkbucket`, runtime/mprof.go, Go 1.19 to 1.27).
pub(super) fn hash(stack: &[u64], size: u64) -> u64 {
    let mut hash: u64 = 0;
    for word in stack.iter().chain([&size]) {
        hash = hash.wrapping_add(*word);
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^ (hash >> 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a program of Go 1.27 has it.
    #[test]
    fn as_the_runtime_has_it() {
        assert_eq!(hash(&[], 0), 0);
        assert_ne!(hash(&[1, 2], 8), hash(&[2, 1], 8));
        assert_ne!(hash(&[1, 2], 8), hash(&[1, 2], 16));
    }
}
