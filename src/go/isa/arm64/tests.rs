use super::*;
use crate::go::elf::image::Machine;
use crate::go::isa::code::Code;

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `runtime.allgadd` of Go 1.27: `lock(&allglock)`, the length and capacity of `allgs`, its length again.
#[test]
fn addresses_of_two_instructions() {
    let code = bytes(&[
        0xd000_1880, // adrp x0, .+0x312000
        0x9134_6000, // add x0, x0, #0xd18
        0x97ff_3381, // bl
        0xf000_175b, // adrp x27, .+0x2eb000
        0xf945_9362, // ldr x2, [x27, #2848]
        0xf000_175b, // adrp x27, .+0x2eb000
        0xf905_8f61, // str x1, [x27, #2840]
        0xf945_9362, // ldr x2, [x27, #2848]: not of this sequence
    ]);
    let code = Code::decode(Machine::Aarch64, &code, 0x5d284);
    let at = |index: usize| code.get(index).unwrap();
    assert_eq!(at(0).address_set(), None);
    assert_eq!(at(1).address_set(), Some((Register(0), 0x36_fd18)));
    assert_eq!(at(2).call_target(), Some(0x2_a090));
    assert_eq!(at(3).access(), None);
    let access = |address, stores| {
        Some(Access {
            address,
            words: 1,
            stores,
        })
    };
    assert_eq!(at(4).access(), access(0x34_8b20, false));
    assert_eq!(at(6).access(), access(0x34_8b18, true));
    assert_eq!(at(7).access(), None);
}

/// The same function: the first two words of `allgs` at once, and as Go 1.19 reads one of them.
#[test]
fn addresses_of_three_instructions() {
    let code = bytes(&[
        0xf000_175b, // adrp x27, .+0x2eb000
        0x912c_437b, // add x27, x27, #0xb10
        0xa940_0760, // ldp x0, x1, [x27]
        0x9000_0ebb, // adrp x27, .+0x1d4000
        0x912d_a37b, // add x27, x27, #0xb68
        0xf940_0362, // ldr x2, [x27]
    ]);
    let code = Code::decode(Machine::Aarch64, &code, 0x5d290);
    let access = |index: usize| code.get(index).unwrap().access().unwrap();
    assert_eq!((access(2).address, access(2).words), (0x34_8b10, 2));
    assert_eq!((access(5).address, access(5).words), (0x23_1b68, 1));
    assert!((0..6).all(|index| code.get(index).unwrap().address_set().is_none()));
}

/// `runtime.newproc1` of Go 1.27: `sched.goidgen.Add(16)`.
#[test]
fn atomic_addition() {
    let code = bytes(&[0xb27c_03e8, 0xf8e8_012a]); // orr x8, xzr, #0x10; ldaddal x8, x10, [x9]
    let code = Code::decode(Machine::Aarch64, &code, 0);
    let at = |index: usize| code.get(index).unwrap();
    assert_eq!(at(0).constant_set(), Some((Register(8), 16)));
    assert_eq!(at(1).atomic_addition(), Some((Register(9), Register(8))));
}

/// `runtime.mProf_Flush` of Go 1.19: `mProfCycle.value.Load()`.
#[test]
fn atomic_read() {
    let code = bytes(&[0x88df_fc22, 0xc8df_fc64, 0x885f_fc3b]); // ldar w2, [x1]; ldar x4, [x3]; ldaxr w27, [x1]
    let code = Code::decode(Machine::Aarch64, &code, 0);
    let read = |index: usize| code.get(index).unwrap().atomic_read();
    assert_eq!(read(0), Some(Register(1)));
    // Of 64 bits; exclusively.
    assert_eq!((read(1), read(2)), (None, None));
}

/// `runtime.gcMarkTermination` of Go 1.27: `debug.gctrace > 0`.
#[test]
fn comparison_with_a_global() {
    let code = bytes(&[
        0xd000_19bb, // adrp x27, …
        0xb983_6f61, // ldrsw x1, [x27, #876]
        0x7100_003f, // cmp w1, #0
        0x5400_2c4d, // b.le
        0x9000_1ad1, // adrp x17, …
        0x7100_003f, // cmp w1, #0
        0x5400_2c4d, // b.le: not on a variable
        0xb000_10db, // adrp x27, …: of Go 1.19
        0x910d_a37b, // add x27, x27, #0x368
        0xb980_0361, // ldrsw x1, [x27]
        0x6b1f_003f, // cmp w1, wzr
        0x5400_00ad, // b.le
    ]);
    let code = Code::decode(Machine::Aarch64, &code, 0x3_a630);
    let found: Vec<usize> = (0..12).filter(|i| code.branches_on_global(*i)).collect();
    assert_eq!(found, [3, 11]);
}

#[test]
fn calls_are_found_without_decoding() {
    let code = bytes(&[0xd503_201f, 0x97ff_fffe, 0x1400_0001, 0x9400_0002]);
    assert_eq!(possible_calls(&code).collect::<Vec<_>>(), [4, 12]);
    assert_eq!(called_from(0x1004, &code[4..]), Some(0xffc));
    assert_eq!(called_from(0x100c, &code[12..]), Some(0x1014));
}

#[test]
fn flow() {
    let of = |word: u32| Instruction::new(0x1000, word, None).flow();
    assert_eq!(of(0x5400_02c9), Flow::Branch(0x1058)); // b.ls .+0x58
    assert_eq!(of(0x17ff_ffe6), Flow::Jump(Some(0xf98))); // b .-0x68
    assert_eq!(of(0x97ff_6462), Flow::Call(Some(0xffff_ffff_fffd_a188))); // bl .-0x26e78
    assert_eq!(of(0x3400_0360), Flow::Branch(0x106c)); // cbz w0, .+0x6c
    assert_eq!(of(0xb5ff_ffbb), Flow::Branch(0xff4)); // cbnz x27, .-0xc
    assert_eq!(of(0x3607_fd65), Flow::Branch(0xfac)); // tbz w5, #0, .-0x54
    assert_eq!(of(0xd65f_03c0), Flow::Return); // ret
    assert_eq!(of(0xd61f_00c0), Flow::Jump(None)); // br x6
    assert_eq!(of(0xd63f_0060), Flow::Call(None)); // blr x3
    assert_eq!(of(0xd420_0000), Flow::Trap); // brk
    assert_eq!(of(0xd400_0001), Flow::Other); // svc
    assert_eq!(of(0), Flow::Trap); // padding
    assert_eq!(of(0xd503_201f), Flow::Next); // nop
    assert_eq!(of(0x0420_0000), Flow::Other); // of SVE
}
