//! Every Go process on the machine, again and again.

use std::time::Instant;

use anyhow::Result;

use crate::cli;
use crate::observe::node::Node;
use crate::target::family;
use crate::target::process::ProcessId;
use crate::tui::state::State;

/// The processes, and what is remembered of them.
#[derive(Debug, Default)]
pub(super) struct List {
    node: Node,
    /// Which are wanted; all, if there are none.
    pids: Vec<i32>,
    /// What these have started too.
    children: bool,
    opened: Option<Instant>,
}

impl List {
    /// Those that are asked for.
    ///
    /// # Errors
    /// One of them is not there.
    pub(super) fn of(args: &cli::Top) -> Result<Self> {
        for pid in &args.of.pid {
            ProcessId::of(*pid)?;
        }
        Ok(Self {
            pids: args.of.pid.clone(),
            children: args.of.children,
            ..Self::default()
        })
    }

    /// Looks at all of them once more.
    pub(super) fn renew(&mut self, state: &mut State) -> Result<()> {
        let now = Instant::now();
        let opened = *self.opened.get_or_insert(now);
        let mut all = self.node.look()?;
        if !self.pids.is_empty() {
            let wanted = match self.children {
                true => family::descendants(&self.pids),
                false => self.pids.clone(),
            };
            all.retain(|listed| wanted.contains(&listed.process.pid));
        }
        let at = now.duration_since(opened).as_secs_f64();
        state.list.set(at, all, self.node.unlooked());
        state.list.hidden = self.node.hides_some();
        Ok(())
    }
}
