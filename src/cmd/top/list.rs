//! Every Go process on the machine, again and again.

use std::time::Instant;

use anyhow::Result;

use crate::observe::node::Node;
use crate::tui::state::State;

/// The processes, and what is remembered of them.
#[derive(Debug, Default)]
pub(super) struct List {
    node: Node,
    opened: Option<Instant>,
}

impl List {
    /// Looks at all of them once more.
    pub(super) fn renew(&mut self, state: &mut State) -> Result<()> {
        let now = Instant::now();
        let opened = *self.opened.get_or_insert(now);
        let all = self.node.look()?;
        let at = now.duration_since(opened).as_secs_f64();
        state.list.set(at, all, self.node.unlooked());
        state.list.hidden = self.node.hides_some();
        Ok(())
    }
}
