//! The terms in which both instruction sets answer what is asked of an instruction.

/// A general-purpose register of 64 bits, by the machine's own number: 0 is rax or x0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register(pub u8);

impl Register {
    /// Holds the first argument, and the first result after the return: rax and x0 (cmd/compile/abi-internal.md).
    pub const FIRST: Self = Self(0);
}

/// Where execution goes from an instruction. Addresses are link-time addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// There, or to the next instruction.
    Branch(u64),
    /// There; `None`: to an address in a register or in memory.
    Jump(Option<u64>),
    /// Into a function, and from it to the next instruction; `None` as for a jump.
    Call(Option<u64>),
    /// Back to the caller.
    Return,
    /// Nowhere: a fault.
    Trap,
    /// Elsewhere, and perhaps to the next instruction: a system call, for example.
    Other,
}

/// Something that holds a value of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Register(Register),
    /// Eight bytes at this distance from the stack pointer.
    Slot(u64),
}

/// What an instruction does to a [`Operand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Unchanged,
    /// It gets the address of something in the program, a link-time address.
    Address(u64),
    /// It gets what the other place holds.
    Copied(Operand),
    /// It gets, or may get, something else.
    Other,
}

/// A variable of the program that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Link-time address.
    pub address: u64,
    /// How many general-purpose registers are read or written there as a whole: 2 by some instructions of ARM.
    pub words: usize,
    /// Whether it is only written, from general-purpose registers.
    pub stores: bool,
}
