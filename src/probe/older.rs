//! What kernels that are too old for an instruction get instead of it.

#![allow(unsafe_code)]

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::AsRawLibbpf;
use libbpf_rs::OpenObject;
use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::bpf_insn;

/// `BPF_STX | BPF_ATOMIC | BPF_DW` with this `imm` is a compare-and-swap of 64 bits (include/uapi/linux/bpf.h); it leaves
/// in r0 what was there.
const ATOMIC: u8 = 0xdb;
const COMPARE_AND_SWAP: i32 = 0xf1;
/// `r0 = imm`: `BPF_ALU64 | BPF_MOV | BPF_K`.
const MOVE_TO_R0: bpf_insn = bpf_insn {
    code: 0xb7,
    _bitfield_align_1: [],
    _bitfield_1: libbpf_sys::__BindgenBitfieldUnit::new([0]),
    off: 0,
    imm: -1,
};

/// Makes every compare-and-swap fail: r0 becomes the largest number, as if another had been faster; no name and no maximum
/// is as large. The programs use it to take a free place, which holds 0 (`alive.bpf.h`), and then use the hash map; and to
/// raise a maximum (`hist.bpf.h`), which they then do without.
///
/// The verifier refuses the instruction where it does not know it, even where it is never reached.
pub(super) fn fail_compare_and_swap(object: &mut OpenObject) -> Result<()> {
    for program in object.progs_mut() {
        let mut instructions = program.insns().to_vec();
        let mut changed = false;
        for instruction in &mut instructions {
            if instruction.code == ATOMIC && instruction.imm == COMPARE_AND_SWAP {
                *instruction = MOVE_TO_R0;
                changed = true;
            }
        }
        if !changed {
            continue;
        }
        // SAFETY: the program is not loaded yet; libbpf copies that many instructions.
        let error = unsafe {
            libbpf_sys::bpf_program__set_insns(
                program.as_libbpf_object().as_ptr(),
                instructions.as_mut_ptr(),
                instructions.len() as libbpf_sys::size_t,
            )
        };
        if error != 0 {
            return Err(std::io::Error::from_raw_os_error(-error))
                .context("cannot change a program for this kernel");
        }
    }
    Ok(())
}
