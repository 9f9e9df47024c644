//! What an object needs on the kernel that it is loaded into.

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::OpenObject;

use super::kernel::Kernel;
use super::older;
use super::place::Place;
use super::place::SITES;

/// Room for the sites of one object, where they are told apart by their addresses.
const MOST_SITES: u32 = 1 << 14;

/// Prepares an object whose programs are selected for the kernel it will be loaded into.
pub(super) fn prepare(object: &mut OpenObject, place: &Place) -> Result<()> {
    if place.by_address().is_some()
        && let Some(mut sites) = object.maps_mut().find(|map| map.name() == SITES)
    {
        sites
            .set_max_entries(MOST_SITES)
            .context("cannot size a map")?;
    }
    if !Kernel::current()?.has_compare_and_swap() {
        older::fail_compare_and_swap(object)?;
    }
    Ok(())
}
