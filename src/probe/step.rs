//! Which program of an object goes to which sites, and what of the object is loaded.

use libbpf_rs::OpenObject;

use crate::go::site::Site;
use crate::go::site::SiteKind;

use super::method::Method;

/// Which sites one program is for.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name of the program in the object.
    pub program: &'static str,
    /// Where it goes.
    pub sites: Vec<Site>,
}

impl Step {
    /// The steps for an event that the program is for, some of whose sites may want another program: that for inlined
    /// bodies, or for the result of a call.
    pub fn by_kind(program: &'static str, sites: Vec<Site>) -> Vec<Self> {
        let mut steps: Vec<Self> = Vec::new();
        for site in sites {
            let program = match (program, site.kind) {
                ("gr_create", SiteKind::AfterCall) => "gr_create_coro",
                ("gr_steal", SiteKind::CopyBranch) => "gr_steal_copy",
                ("sched_status", SiteKind::CopyBranch) => "sched_status_copy",
                _ => program,
            };
            match steps.iter_mut().find(|step| step.program == program) {
                Some(step) => step.sites.push(site),
                None => steps.push(Self {
                    program,
                    sites: vec![site],
                }),
            }
        }
        steps
    }
}

/// All sites of these steps.
pub(super) fn sites(steps: &[Step]) -> Vec<Site> {
    steps.iter().flat_map(|step| &step.sites).cloned().collect()
}

/// Has only the programs of `steps` loaded.
pub(super) fn select(object: &mut OpenObject, steps: &[&str], method: Method) {
    for mut program in object.progs_mut() {
        let wanted = steps
            .iter()
            .any(|step| program.name().to_str() == Some(&method.program(step)));
        program.set_autoload(wanted);
    }
}
