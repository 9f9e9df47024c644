//! What `go version -m` prints: the `.go.buildinfo` blob.

/// Build information. TODO in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// Go version as recorded, for example `go1.25.5 X:greenteagc`.
    pub go_version: String,
    /// Package path of the main package.
    pub path: String,
    /// Path of the main module; empty if built outside of a module.
    pub main_module: String,
    /// Version of the main module.
    pub main_version: String,
    /// Build settings (`CGO_ENABLED`, `GOARCH`, `-ldflags`, …) in recorded order.
    pub settings: Vec<(String, String)>,
}
