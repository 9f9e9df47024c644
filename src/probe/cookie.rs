//! What a program is told of the site at which it runs.

use anyhow::Result;
use anyhow::bail;

use crate::go::site::Site;
use crate::go::site::SiteKind;

/// Set in a cookie when the site is the branch of a stack check (`GO_COOKIE_STACK_CHECK` in `go.bpf.h`).
const STACK_CHECK: u64 = 1 << 63;
/// `GO_COOKIE_OFFSET_SHIFT` and `GO_COOKIE_OFFSET_MASK` there.
const OFFSET_SHIFT: u32 = 48;
const OFFSET_MASK: u64 = 0x7fff;

/// The address, the distance from the function's entry, and the kind: see `GO_COOKIE_…` in `go.bpf.h`.
pub(super) fn cookie(site: &Site) -> Result<u64> {
    let fits = site.vaddr < 1 << OFFSET_SHIFT;
    if !fits {
        bail!("{site} lies beyond the address space of user programs");
    }
    // Only the programs on start functions look at it, whose sites are all near the entry, and those on inlined bodies,
    // to which it says what is known there.
    let offset = match site.kind {
        SiteKind::CopyBranch => u64::from(site.operands.0) & OFFSET_MASK,
        _ => site.offset.min(OFFSET_MASK),
    };
    let kind = match site.kind {
        SiteKind::StackCheckBranch => STACK_CHECK,
        _ => 0,
    };
    Ok(site.vaddr | offset << OFFSET_SHIFT | kind)
}
