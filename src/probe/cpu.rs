//! What processors do for observed processes: samples of `src/bpf/cpu.bpf.c`.

mod decode;

use std::sync::Arc;
use std::sync::Mutex;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::Link;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::RingBuffer;

use crate::bpf::GoConfig;
use crate::bpf::cpu::CpuSkel;
use crate::bpf::cpu::CpuSkelBuilder;
use crate::bpf::cpu::OpenCpuSkel;
use crate::bpf::cpu::types::cpu_counter;
pub use crate::bpf::cpu::types::cpu_process as Layout;
use crate::model::cpu::CpuSample;
use crate::model::loss::Loss;
use crate::target::Scope;
use crate::target::limits;
use crate::target::process::ProcessId;

use self::decode::decode;
use super::cpu_clock;
use super::kernel::Kernel;
use super::process_number::Processes;
use super::session;
use super::session::AnySession;
use super::session::Cause;
use super::session::Gate;
use super::session::Kind;
use super::session::Session;

/// An offset that is not known (`CPU_NOT_KNOWN` in `cpu.h`).
pub const NOT_KNOWN: u32 = u32::MAX;

/// This kind of programs.
struct Cpu;

impl Kind for Cpu {
    type Builder = CpuSkelBuilder;
    type Open = OpenCpuSkel<'static>;
    type Skel = CpuSkel<'static>;
    type Options = ();

    fn size(_open: &mut Self::Open, _options: &()) -> Result<()> {
        Ok(())
    }

    fn counters(skel: &Self::Skel) -> &dyn MapCore {
        &skel.maps.cpu_counters
    }

    const CAUSES: &'static [Cause] = &[
        (
            cpu_counter::CPU_N_RING_FULL.0,
            "ring_full",
            "samples for which there was no room: grtmon was too slow",
        ),
        (
            cpu_counter::CPU_N_NO_REGISTERS.0,
            "no_registers",
            "samples of threads whose registers the kernel did not show",
        ),
        (
            cpu_counter::CPU_N_OTHER_PROGRAM.0,
            "other_program",
            "samples of threads that had left the program: they were ending, or run another one now",
        ),
    ];
}

/// Samples that were taken from the ring buffer and not yet handed on.
#[derive(Debug, Default)]
struct Batch {
    samples: Vec<CpuSample>,
    /// Records that are none of ours.
    undecodable: u64,
}

/// The clocks of all processors, and what they see of some processes.
#[allow(
    missing_debug_implementations,
    reason = "the generated skeleton has none"
)]
pub struct CpuProbes {
    /// They detach when dropped, before the object goes.
    clocks: Vec<Link>,
    ring: RingBuffer<'static>,
    session: Session<Cpu>,
    batch: Arc<Mutex<Batch>>,
}

impl CpuProbes {
    /// Loads the program. No clock runs yet, and nobody is looked at.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn load(scope: &Scope) -> Result<Self> {
        let kernel = Kernel::current()?;
        if let Some(obstacle) = kernel.obstacle_to_samples() {
            bail!("{obstacle}");
        }
        if kernel.counts_locked_memory() {
            limits::raise_locked_memory();
        }
        let mut config = GoConfig::default();
        Processes::by_number(scope)?.tell(&mut config);
        let session = Session::<Cpu>::load(&config, &(), |_| Ok(()))?;
        let batch = Arc::new(Mutex::new(Batch::default()));
        let into = Arc::clone(&batch);
        let ring = session::ring(&session.skel.maps.cpu_samples, move |bytes| {
            let mut batch = super::lock(&into);
            match decode(bytes) {
                Some(sample) => batch.samples.push(sample),
                None => batch.undecodable += 1,
            }
        })?;
        Ok(Self {
            clocks: Vec::new(),
            ring,
            session,
            batch,
        })
    }

    /// From now on this process is looked at.
    ///
    /// # Errors
    /// There are too many.
    pub fn watch(&mut self, process: &ProcessId, layout: &Layout) -> Result<()> {
        let value = crate::bpf::cpu_process_bytes(layout);
        let key = process.pid.to_ne_bytes();
        let map = &self.session.skel.maps.cpu_processes;
        map.update(&key, value, MapFlags::ANY)
            .context("too many processes for one profile: name some of them")
    }

    /// Starts the clocks, `hz` ticks a second each.
    ///
    /// # Errors
    /// The kernel refuses them.
    pub fn start(&mut self, hz: u32) -> Result<()> {
        self.session.set_gate(Gate::GO_GATE_OPEN)?;
        self.clocks = cpu_clock::attach(&self.session.skel.progs.cpu_sample, hz)?;
        Ok(())
    }

    /// Stops them. What was taken until then can still be had.
    pub fn stop(&mut self) -> Result<()> {
        self.clocks.clear();
        self.session.close()
    }

    /// Hands on what there is.
    ///
    /// # Errors
    /// The ring buffer cannot be read.
    pub fn take(&mut self, mut each: impl FnMut(&CpuSample)) -> Result<()> {
        let taken = self.ring.consume_raw();
        if taken < 0 {
            bail!(
                "cannot read the ring buffer: error {}",
                taken.unsigned_abs()
            );
        }
        let samples = std::mem::take(&mut super::lock(&self.batch).samples);
        samples.iter().for_each(&mut each);
        Ok(())
    }

    /// What was not handed on, by cause.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        let mut losses = self.session.losses()?;
        losses.push(Loss {
            cause: "undecodable",
            meaning: "records that could not be understood",
            events: super::lock(&self.batch).undecodable,
        });
        losses.retain(|loss| loss.events > 0);
        Ok(losses)
    }
}
