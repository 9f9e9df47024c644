//! The clocks of the processors: a perf event on each that runs a program so many times a second, whoever runs there.
//!
//! Not one for each thread: the clock of a thread begins anew with it, so that threads which live shortly are hardly ever
//! seen, and it is stopped and set at each switch, for which the program pays (kernel/events/core.c).

use std::io;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use libbpf_rs::Link;
use libbpf_rs::ProgramMut;
use libbpf_rs::libbpf_sys;

use super::kernel;
use super::perf_event;

/// Runs `program` on every processor `hz` times a second, until the links are dropped.
///
/// # Errors
/// The kernel refuses.
pub(super) fn attach(program: &ProgramMut<'_>, hz: u32) -> Result<Vec<Link>> {
    let processors = libbpf_rs::num_possible_cpus().context("cannot count the processors")?;
    let mut links = Vec::new();
    for processor in 0..i32::try_from(processors).unwrap_or(i32::MAX) {
        let clock = match open(processor, hz) {
            Ok(clock) => clock,
            // It is switched off.
            Err(why) if why.raw_os_error() == Some(libc::ENODEV) => continue,
            Err(why) => return Err(refused(why, hz)),
        };
        // The link closes it.
        let link = program.attach_perf_event(clock.into_raw_fd());
        links.push(link.context("the kernel refused the program on a processor's clock")?);
    }
    if links.is_empty() {
        bail!("no processor lets its clock be used");
    }
    Ok(links)
}

fn refused(why: io::Error, hz: u32) -> anyhow::Error {
    match why.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => anyhow!(why).context(kernel::missing_privileges()),
        Some(libc::EINVAL) => anyhow!(why).context(format!(
            "the kernel refused a clock of {hz} ticks a second: at most kernel.perf_event_max_sample_rate is allowed"
        )),
        _ => anyhow!(why).context("the kernel refused a processor's clock (perf_event_open)"),
    }
}

fn open(processor: i32, hz: u32) -> io::Result<OwnedFd> {
    let config = u64::from(libbpf_sys::PERF_COUNT_SW_CPU_CLOCK);
    let mut attributes = perf_event::attributes(libbpf_sys::PERF_TYPE_SOFTWARE, config);
    attributes.__bindgen_anon_1.sample_freq = u64::from(hz);
    attributes.set_freq(1);
    perf_event::open(&attributes, -1, processor)
}
