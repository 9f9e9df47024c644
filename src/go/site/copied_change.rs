//! `runtime.casgstatus(gp, old, new)` where it is inlined: a goroutine changes its state at
//! `gp.atomicstatus.CompareAndSwap(old, new)`, and there is no other such instruction in it.
//!
//! On x86-64 that is `lock cmpxchg [gp+atomicstatus], new` with old in rax, `sete` into a register, and a branch that tests
//! this register; uprobes refuse the first, and the branch is emulated. The function tries again while the state is
//! another (the collector scans the goroutine's stack), so the branch counts only if its flags say that it went well.

use super::copied::Copied;
use crate::go::isa::code::Code;
use crate::go::isa::instruction::{Effects, Flow, Register};
use crate::go::site::{Meaning, NoSite, Operands, Site, SiteKind, Status};

/// Where the first operand of `cmpxchg` is compared with.
const RAX: Register = Register(0);

/// How far behind the exchange its result is tested, and how far before it its operands are set, in instructions.
const NEAR: usize = 24;

/// The state of one who waits (`_Gwaiting`, runtime/runtime2.go), and of one who runs.
const WAITING: u8 = 4;
const RUNNING: u8 = 2;

/// The site at which the change is seen that is made in this copy; `None` for one that is none: where a goroutine that goes
/// on running passes for one that waits.
///
/// # Errors
/// The copy does not have the form described above.
pub(in crate::go) fn site(copy: &Copied<'_>, meaning: Meaning) -> Result<Option<Site>, NoSite> {
    let code = copy.host().code();
    let mut exchanges = copy
        .indices()
        .filter_map(|index| Some((index, code.get(index)?.compare_and_exchange()?)));
    let (Some((exchange, (g, new))), None) = (exchanges.next(), exchanges.next()) else {
        return Err(copy.none("no single compare-and-swap"));
    };
    let result = code
        .get(exchange + 1)
        .and_then(|it| it.equality_kept())
        .ok_or_else(|| copy.none("no use of the result of its compare-and-swap"))?;
    let branch = (exchange + 2..exchange + NEAR)
        .take_while(|index| goes_on(code, *index - 1))
        .find(|index| code.get(*index).is_some_and(|it| it.is_branch()))
        .filter(|branch| code.tests_for_zero(*branch) == Some(result))
        .filter(|branch| code.jumped_to(exchange..*branch + 1).is_empty())
        .ok_or_else(|| copy.none("no branch on the result of its compare-and-swap"))?;
    let mut effects = Effects::default();
    let mut keeps = |register: Register| {
        (exchange + 1..branch).all(|index| {
            code.get(index)
                .is_some_and(|it| !effects.changes(it, register))
        })
    };
    if !keeps(g) {
        return Err(copy.none("no g left after its compare-and-swap"));
    }
    let mut status = |register: Register| match constant_before(code, exchange, register) {
        Some(number) => u8::try_from(number)
            .ok()
            .filter(|it| *it < 15)
            .map(Status::Constant),
        None => keeps(register).then_some(Status::Register(register.0)),
    };
    let (Some(old), Some(new)) = (status(RAX), status(new)) else {
        return Err(copy.none("no states left after its compare-and-swap"));
    };
    let passes_for_waiting = old == Status::Constant(RUNNING)
        && new == Status::Constant(WAITING)
        && meaning != Meaning::Parks;
    if passes_for_waiting {
        return Ok(None);
    }
    let site = copy.host().clone().site(branch, SiteKind::CopyBranch)?;
    Ok(Some(Site {
        operands: Operands::change(g.0, old, new, meaning),
        ..site
    }))
}

fn goes_on(code: &Code<'_>, index: usize) -> bool {
    code.get(index).is_some_and(|it| it.flow() == Flow::Next)
}

/// The constant that the register holds before the instruction at `at`, if it is set on the only way there.
fn constant_before(code: &Code<'_>, at: usize, register: Register) -> Option<u64> {
    let mut effects = Effects::default();
    let mut register = register;
    let mut at = at;
    for _ in 0..NEAR {
        if !code.jumped_to(at..at + 1).is_empty() {
            return None;
        }
        at = at.checked_sub(1)?;
        let instruction = code.get(at)?;
        if instruction.flow() != Flow::Next {
            return None;
        }
        match (instruction.constant_set(), instruction.copied_half()) {
            (Some((target, value)), _) if target == register => return Some(value),
            (_, Some((target, source))) if target == register => register = source,
            _ if effects.changes(instruction, register) => return None,
            _ => {}
        }
    }
    None
}
