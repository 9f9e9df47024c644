//! `grtmon version`

use std::process::ExitCode;

use anyhow::Result;

use super::output::Output;

/// Version, target, revision, and the BPF programs compiled in.
pub(super) fn run() -> Result<ExitCode> {
    let mut output = Output::new();
    let lines = [
        format!("grtmon {}", env!("CARGO_PKG_VERSION")),
        format!("target    {}", env!("GRTMON_TARGET")),
        format!("revision  {}", env!("GRTMON_REVISION")),
        format!(
            "linked    {}",
            if cfg!(feature = "static") {
                "static"
            } else {
                "dynamic"
            }
        ),
        format!("bpf       {}", env!("GRTMON_BPF")),
    ];
    for line in lines {
        output.text.extend_from_slice(line.as_bytes());
        output.text.push(b'\n');
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}
