//! Records of `src/bpf/gr.h`, as events.

use crate::bpf::gr::types::gr_event;
use crate::bpf::gr::types::gr_exit;
use crate::bpf::gr::types::gr_kind;
use crate::bpf::gr::types::gr_known;
use crate::bpf::gr::types::gr_p;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Identity;
use crate::model::goroutine::What;

/// Events taken from the ring buffer and not yet handed on.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<GoroutineEvent>,
    /// Records of an unknown kind.
    pub(super) undecodable: u64,
}

impl Batch {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        match decode(bytes) {
            Some(event) => self.events.push(event),
            None => self.undecodable += 1,
        }
    }
}

fn decode(bytes: &[u8]) -> Option<GoroutineEvent> {
    let raw: &gr_event = plain::from_bytes(bytes).ok()?;
    let known = |value: u64| (value != 0).then_some(value);
    let goroutine = Identity {
        goid: raw.goid,
        start_pc: known(raw.start_pc),
        created_pc: known(raw.created_pc),
        creator: known(raw.creator()),
    };
    let what = match gr_kind(u32::from(raw.kind)) {
        gr_kind::GR_CREATE => What::Create(goroutine),
        gr_kind::GR_EXIT => {
            let exit: &gr_exit = plain::from_bytes(bytes).ok()?;
            let knows = |flag: gr_known, ns| (u32::from(raw.known) & flag.0 != 0).then_some(ns);
            What::Exit {
                goroutine,
                created_ns: knows(gr_known::GR_KNOWS_CREATION, exit.created_ns),
                started_ns: knows(gr_known::GR_KNOWS_START, exit.started_ns),
                begun_ns: None,
            }
        }
        gr_kind::GR_PUT_GLOBAL => What::PutGlobal {
            goroutine: Identity {
                creator: None,
                ..goroutine
            },
            moved: raw.moved(),
        },
        gr_kind::GR_GET_GLOBAL => What::GetGlobal,
        gr_kind::GR_STEAL => What::Steal { moved: raw.moved() },
        gr_kind::GR_IMAGE => What::Image,
        _ => return None,
    };
    let p = (u32::from(raw.p) != gr_p::GR_NO_P.0).then_some(raw.p);
    Some(GoroutineEvent {
        time_ns: raw.time_ns,
        process: raw.process,
        p,
        what,
    })
}
