//! What all objects have besides their own: the configuration, the gate, and the maps of `go.bpf.h` and `process.bpf.h`.

use libbpf_rs::MapCore;

use super::GoConfig;

/// An object before it is loaded.
pub trait Opened {
    /// Sets the configuration; `None` if the object has none.
    fn tell(&mut self, config: &GoConfig) -> Option<()>;
}

/// An object that is loaded.
pub trait Loaded {
    /// The gate of its programs; `None` if it has none.
    fn gate(&mut self) -> Option<&mut u32>;
    /// The processes that are looked at.
    fn listed(&self) -> &dyn MapCore;
    /// What the programs have cost.
    fn overhead(&self) -> &dyn MapCore;
    /// Hits at addresses that are no site's.
    fn unknown_sites(&self) -> &dyn MapCore;
}

macro_rules! common {
    ($module:ident, $open:ident, $skel:ident) => {
        // SAFETY: integers only; config.h asserts the size, which leaves no room for padding.
        unsafe impl plain::Plain for super::$module::types::go_config {}

        impl Opened for super::$module::$open<'_> {
            fn tell(&mut self, config: &GoConfig) -> Option<()> {
                // SAFETY: integers only, as above.
                let bytes = unsafe { plain::as_bytes(config) };
                let into = &mut self.maps.rodata_data.as_mut()?.go_config;
                plain::copy_from_bytes(into, bytes).ok()
            }
        }

        impl Loaded for super::$module::$skel<'_> {
            fn gate(&mut self) -> Option<&mut u32> {
                Some(&mut self.maps.bss_data.as_mut()?.go_gate)
            }

            fn listed(&self) -> &dyn MapCore {
                &self.maps.go_listed
            }

            fn overhead(&self) -> &dyn MapCore {
                &self.maps.go_overhead
            }

            fn unknown_sites(&self) -> &dyn MapCore {
                &self.maps.go_unknown_sites
            }
        }
    };
}

common!(noop, OpenNoopSkel, NoopSkel);
common!(cpu, OpenCpuSkel, CpuSkel);
common!(gc, OpenGcSkel, GcSkel);
common!(gm, OpenGmSkel, GmSkel);
common!(gr, OpenGrSkel, GrSkel);
common!(sched, OpenSchedSkel, SchedSkel);
