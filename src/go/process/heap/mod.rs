//! What a heap is made of, by type: what Go itself cannot say, read from the memory of a process that goes on meanwhile.
//!
//! Which objects there are, and how large, is exact: spans and their bits. Which type an object is of, the runtime notes
//! only where the collector has to know (Go ≥ 1.22): in front of objects with pointers of more than 512 bytes, and beside
//! large ones. Interfaces and functions name theirs, too. From there it goes on: a field of type `*T` leads to a `T`. What
//! nobody leads to but local variables, and global ones that are no interfaces, stays unknown, and is told by size.

mod chunks;
mod claims;
mod edge;
mod edges;
mod graph;
mod kinds;
mod modules;
mod names;
mod pages;
mod scan;
mod span;
mod span_layout;
mod spans;
mod types;
mod walk;

use self::graph::{Graph, Parts};
use self::modules::Modules;
use self::spans::Spans;
use self::types::Types;
use self::walk::{Walk, Walked};
use super::runtime_info::{ProcessView, ReadError};
use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::binary::size_classes::Limits;
use crate::model::heap::{Composition, Shortcoming};

/// Of so many objects that say their types it says something if most of them say nothing that is one.
const ENOUGH: u64 = 20;

/// Contents that are kept rather than read again.
const MOST_KEPT: u64 = 32 << 20;

/// Why types are not known before Go 1.22.
const NO_HEADERS: &str =
    "the runtime notes no types of objects before Go 1.22 (or with GOEXPERIMENT=noallocheaders)";

/// Reads it, in no more than about `room` bytes of memory.
///
/// # Errors
/// What it takes is not known of this binary; or it could not be read, or is not what it is taken for; or there is not
/// enough room.
pub fn read(view: &ProcessView<'_>, binary: &Binary, room: u64) -> Result<Composition, ReadError> {
    let spans = spans::read(view, room)?;
    let before = (spans.sweepgen, spans.is_moving);
    let has_headers = view.runtime_info.has_headers;
    let found = match has_headers {
        true => modules::read(view),
        false => Err(ReadError::Unknown(NO_HEADERS.to_owned())),
    };
    let (graph, walked, why) = match found {
        Ok(modules) => by_type(view, binary, spans, modules, room)?,
        Err(why) if matches!(&why, ReadError::Memory(why) if why.is_final()) => return Err(why),
        Err(why) => {
            let graph = graph(view, binary, spans, Modules::default());
            (graph, Walked::default(), Some(why.to_string()))
        }
    };
    let mut composition = names::composition(graph, why);
    let shortcomings = &mut composition.shortcomings;
    let mut note = |count: u64, what: Shortcoming| {
        if count > 0 {
            shortcomings.push((count, what));
        }
    };
    note(walked.unread, Shortcoming::Contents);
    note(walked.cut, Shortcoming::Cut);
    note(u64::from(walked.is_given_up), Shortcoming::GivenUp);
    let moved = before.1 || spans::generation(view)? != before.0;
    note(u64::from(moved), Shortcoming::Collected);
    Ok(composition)
}

fn graph<'v>(
    view: &ProcessView<'v>,
    binary: &'v Binary,
    spans: Spans,
    modules: Modules,
) -> Graph<'v> {
    let limits = Limits::new(view.runtime_info.has_headers);
    Graph::new(Parts {
        spans,
        types: Types::new(view.memory, modules.types, limits),
        limits,
        has_tables: view.runtime_info.has_map_tables,
        codes: Tables::with(binary, &view.runtime_info.plugins),
        bias: view.bias,
        modules: modules.data,
    })
}

/// Finds types; or says why there are none, and forgets what was found.
fn by_type<'v>(
    view: &ProcessView<'v>,
    binary: &'v Binary,
    spans: Spans,
    modules: Modules,
    room: u64,
) -> Result<(Graph<'v>, Walked, Option<String>), ReadError> {
    let variables = modules.variables.clone();
    let taken = spans.slots as u64 * 5 / 2;
    let mut graph = graph(view, binary, spans, modules);
    let keep = (room.saturating_sub(taken) / 2).min(MOST_KEPT);
    let walked = Walk::new(&mut graph, view.memory, keep).all(&variables)?;
    let is_wrong = walked.headers >= ENOUGH && walked.wrong > walked.headers / 2;
    let why = is_wrong.then(|| {
        graph.forget();
        "what stands in front of objects of more than 512 bytes is no type in this program"
            .to_owned()
    });
    Ok((graph, walked, why))
}
