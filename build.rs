//! Compiles each `src/bpf/NAME.bpf.c` into the skeleton `OUT_DIR/NAME.skel.rs`.

fn main() {}
