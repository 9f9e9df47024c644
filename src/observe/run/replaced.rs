//! A program whose file is replaced while it is observed: the new one is observed besides.

use anyhow::Result;
use anyhow::bail;

use crate::model::account::Remark;
use crate::observe::observation::Observation;
use crate::target::Target;

use super::Run;

/// Programs that are observed at most: each that was replaced goes on being so.
const MOST: usize = 64;

impl<'a, O: Observation> Run<'a, O> {
    /// Observes the program that is at the path of one now, besides that one.
    fn follow(&mut self, target: &Target) -> Result<&'a Target> {
        if self.all.len() >= MOST {
            bail!("it was replaced too often");
        }
        let target = target.at_its_path()?;
        target.require_this_machine()?;
        let target: &Target = self.known.alloc(target);
        let one = self.set_up(target)?;
        let first = self.all.len();
        self.all.push(one);
        self.cost.add(target);
        self.open(first)?;
        Ok(target)
    }

    /// The file of one was replaced: what is there now is observed too. What cannot be yet, as it is not complete, may be in
    /// a moment.
    pub(super) fn replaced(&mut self, index: usize) {
        let Some(target) = self.all.get(index).map(|one| one.target) else {
            return;
        };
        let path = target.program.path.display().to_string();
        let text = match self.follow(target) {
            Ok(new) => format!(
                "{path} was replaced on disk: what runs the new file is observed too from now on ({}); what it did before is not seen",
                new.describe()
            ),
            Err(_)
                if self
                    .all
                    .get_mut(index)
                    .is_some_and(|one| one.changes.may_try_again()) =>
            {
                return;
            }
            Err(why) => format!(
                "{path} was replaced on disk: processes started from now on run another binary and are not seen: {why:#}"
            ),
        };
        if let Some(one) = self.all.get_mut(index) {
            one.changes.said_replaced();
        }
        self.note(Remark {
            cause: "replaced",
            process: None,
            text,
        });
    }
}
