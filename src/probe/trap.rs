//! What one hit of a probe costs on this machine, measured on ourselves.
//!
//! A uprobe replaces an instruction by a breakpoint: a hit is a trap into the kernel, the emulation of the instruction,
//! and the way back (arch/x86/kernel/uprobes.c, arch/arm64/kernel/probes). How long that takes is a matter of the processor, the hypervisor and
//! the kernel's mitigations, so it is not known in advance. The site here is one that is emulated, as those are that
//! grtmon chooses in other programs.

use std::fs::File;

use anyhow::Context;
use anyhow::Result;

use crate::go::site::Cost;
use crate::go::site::Operands;
use crate::go::site::Site;
use crate::go::site::SiteKind;
use crate::target::clock;
use crate::target::own_code;

use super::method::Method;
use super::noop::Noop;
use super::place::Place;

/// Calls in one batch: a batch takes less than 0.1 ms.
const CALLS: u32 = 96;
/// Batches. The middle one counts: others may have been interrupted.
const BATCHES: usize = 11;

/// The function under probe: an instruction that the kernel emulates, and back.
#[unsafe(naked)]
extern "C" fn site() {
    #[cfg(target_arch = "x86_64")]
    std::arch::naked_asm!("push rbp", "pop rbp", "ret");
    #[cfg(not(target_arch = "x86_64"))]
    std::arch::naked_asm!("b 2f", "2:", "ret");
}

/// Nanoseconds that one hit of a program takes here beside its own work. Takes a few milliseconds.
pub fn cost_ns(method: Method) -> Result<f64> {
    let vaddr = site as *const () as u64;
    let site = Site {
        function: "site".to_owned(),
        offset: 0,
        vaddr,
        file_offset: own_code::file_offset(vaddr).context("cannot find grtmon's own code")?,
        kind: SiteKind::Early,
        cost: Cost::OneTrap,
        operands: Operands::default(),
        code: Box::default(),
    };
    let bare = batch_ns();
    // The trap is the same, and for one site there is no need of tracefs.
    let method = match method {
        Method::Tracefs => Method::Perf,
        other => other,
    };
    let own = File::open("/proc/self/exe").context("cannot open grtmon's own file")?;
    let place = Place::own(own, method);
    let probed = {
        let _noop = Noop::framed(&place, vec![site])?;
        batch_ns()
    };
    Ok((probed - bare).max(0.0))
}

/// Nanoseconds of CPU time of one call in the middle one of many batches.
fn batch_ns() -> f64 {
    let mut batches = [0.0; BATCHES];
    for batch in &mut batches {
        let begin = clock::thread_cpu();
        for _ in 0..CALLS {
            std::hint::black_box(site as extern "C" fn())();
        }
        *batch = clock::thread_cpu().saturating_sub(begin).as_nanos() as f64 / f64::from(CALLS);
    }
    batches.sort_by(f64::total_cmp);
    batches[BATCHES / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;
    use crate::go::isa::code::Code;

    #[test]
    fn the_site_is_an_instruction_that_is_emulated() {
        let vaddr = site as *const () as u64;
        let file = std::fs::read("/proc/self/exe").unwrap();
        let at = usize::try_from(own_code::file_offset(vaddr).unwrap()).unwrap();
        let code = Code::decode(Machine::HERE, &file[at..at + 8], vaddr);
        assert!(code.is_emulated(0));
        let end = if cfg!(target_arch = "x86_64") { 2 } else { 1 };
        assert_eq!(code.returns().next(), Some(end));
    }
}
