//! On which stacks threads were created: `m.createstack` of all threads (`ThreadCreateProfile`, runtime/mprof.go).

use std::collections::BTreeMap;

use super::block::{Block, read_all};
use super::runtime_info::{ProcessView, ReadError};
use super::threads;
use crate::go::layout::Field;

/// Addresses that a thread has room for (`m.createstack`, Go 1.19 to 1.27).
const ROOM: u64 = 32;

/// How many threads were created on each stack: live return addresses, innermost first; none if none was noted.
///
/// # Errors
/// The list of threads cannot be read, or does not hold still.
pub fn read(view: &ProcessView<'_>) -> Result<BTreeMap<Vec<u64>, u64>, ReadError> {
    let at = view.offset(Field::MCreatestack)?;
    let mut blocks = Vec::new();
    for address in threads::addresses(view)? {
        blocks.push(Block::new(address.wrapping_add(at), 8 * ROOM)?);
    }
    read_all(view, &mut blocks)?;
    let mut stacks = BTreeMap::new();
    for block in &blocks {
        let words = (0..ROOM).map_while(|index| block.u64(8 * index));
        let stack: Vec<u64> = words.take_while(|pc| *pc != 0).collect();
        *stacks.entry(stack).or_default() += 1;
    }
    Ok(stacks)
}
