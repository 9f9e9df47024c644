//! Which ways of attaching a test tries.

use super::{
    build::Build,
    toolchain::{full_matrix, prebuilt},
};

/// For a program of this build both ways that this machine has, or the one that grtmon takes: how a program was linked
/// makes no difference to that, and perf events take a tenth of a second each to detach. In the virtual machines of
/// tests/kernels the way that the kernel needs, and the one that this machine may not have.
pub(crate) fn methods(build: Build) -> &'static [&'static str] {
    if prebuilt().is_some() {
        if full_matrix() {
            &["auto", "tracefs"]
        } else {
            &["auto"]
        }
    } else if build == Build::STRIPPED_PIE {
        &["multi", "perf"]
    } else {
        &["auto"]
    }
}
