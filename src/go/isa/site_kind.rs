//! The kinds of places in code that a probe can stand at.

/// What kind of place a probe site is: it decides what a probe there may rely on.
///
/// "Intact" means that the argument registers, the closure context and the register of the current g still hold what the
/// caller passed, and that the return address is where the call left it. On x86-64 these are rax, rbx, rcx, rdi, rsi and
/// r8 to r11; rdx; r14; and `[rsp]`. On ARM: x0 to x15, x26, x28, and x30. Floating-point arguments are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// `push rbp` of x86-64 after the stack check: once per call, intact. The kernel's user-stack walk keeps the caller here.
    PushRbp,
    /// Another emulated instruction, after the stack check or in a function without: once per call, intact.
    Early,
    /// The branch of the stack check (`jbe`, `b.ls`): intact; once per call if those hits are ignored whose flags say that
    /// it will be taken (to `runtime.morestack`, and the function starts anew).
    StackCheckBranch,
    /// The first instruction: intact, once per call (a function with a stack check always has the branch).
    Entry,
    /// An emulated instruction behind the set-up of the frame, on x86-64: once per call; arguments and r14 are intact, and
    /// the return address is at `[rbp+8]`.
    Framed,
    /// A `call` (`bl`) in the function: argument registers are those of the callee; the return address is *not* in its
    /// place.
    Call,
    /// The first conditional branch after a call: rax (x0) still holds the callee's first result.
    BranchAfterCall,
    /// An instruction after a call, before anything else may have run or been jumped over: rax (x0) holds the callee's first
    /// result.
    AfterCall,
    /// An instruction that is run once each time a function's body is that stands inlined in another one. Nothing is known
    /// of its arguments; r14 (x28) is the running g.
    Copy,
    /// A conditional branch in an inlined body; what the site's operands say holds there.
    CopyBranch,
    /// A conditional branch that the function takes its way through at one moment of interest only.
    Branch,
    /// The last emulated instruction on the way to the function's only return.
    BeforeReturn,
    /// A `ret`: result registers are set, the return address is in its place.
    Return,
}

impl SiteKind {
    /// In a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::PushRbp => "push rbp",
            Self::Early => "before the frame is set up",
            Self::StackCheckBranch => "stack check branch",
            Self::Entry => "entry",
            Self::Framed => "in the frame",
            Self::Call => "call",
            Self::BranchAfterCall => "branch after a call",
            Self::AfterCall => "after a call",
            Self::Copy => "inlined",
            Self::CopyBranch => "branch, inlined",
            Self::Branch => "branch",
            Self::BeforeReturn => "before the return",
            Self::Return => "return",
        }
    }
}
