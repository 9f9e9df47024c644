//! One function, and the probe sites in it.

use std::sync::Arc;

use super::inlined::Inlined;
use crate::go::elf::image::Image;
use crate::go::isa::code::Code;
use crate::go::isa::instruction::{Effects, Flow, Register};
use crate::go::site::{Cost, NoSite, Operands, Site, SiteKind};

/// A function in which sites are looked for.
#[derive(Clone, Debug)]
pub struct Body<'i> {
    image: &'i Image,
    name: &'i str,
    code: Code<'i>,
    /// Where the bodies of the runtime's functions were copied to, for a function of the runtime.
    inlined: Option<Arc<Inlined<'i>>>,
    /// Whether a site may be given though there are copies of this body.
    copies_are_seen: bool,
}

impl<'i> Body<'i> {
    /// The function `name` whose decoded code is `code`.
    pub fn new(image: &'i Image, name: &'i str, code: Code<'i>) -> Self {
        Self {
            image,
            name,
            code,
            inlined: None,
            copies_are_seen: false,
        }
    }

    /// A function of the runtime, in which there are sites only if it is not inlined anywhere.
    pub fn of_runtime(
        image: &'i Image,
        name: &'i str,
        code: Code<'i>,
        inlined: Arc<Inlined<'i>>,
    ) -> Self {
        Self {
            inlined: Some(inlined),
            ..Self::new(image, name, code)
        }
    }

    /// This body for one who looks after its copies ([`Runtime::copies`](super::runtime_functions::Runtime::copies)) as well.
    pub fn besides_copies(self) -> Self {
        Self {
            copies_are_seen: true,
            ..self
        }
    }

    /// Its decoded code.
    pub fn code(&self) -> &Code<'i> {
        &self.code
    }

    /// The site at which a call of this function is seen, once per call and with its arguments intact.
    ///
    /// # Errors
    /// The function has no cheap site, and its entry is the head of a loop or refused by the kernel.
    pub fn function_site(&self) -> Result<Site, NoSite> {
        let (index, kind) = self
            .code
            .function_site()
            .ok_or_else(|| self.none("a loop at its very start"))?;
        self.site(index, kind)
    }

    /// As [`Body::function_site`], but rather than the entry a place behind the set-up of the frame
    /// ([`SiteKind::Framed`]). For functions with no more than three arguments.
    ///
    /// # Errors
    /// As for [`Body::function_site`].
    pub fn framed_site(&self) -> Result<Site, NoSite> {
        let site = self.function_site()?;
        match self.code.framed_site() {
            Some(index) if site.kind == SiteKind::Entry => self.site(index, SiteKind::Framed),
            _ => Ok(site),
        }
    }

    /// The `call` instructions that call `callee`, whose entry addresses are `entries`; none if there are none.
    ///
    /// # Errors
    /// The code of one is not in the file, or `callee` is inlined here: these calls are then not all.
    pub fn call_sites(&self, entries: &[u64], callee: &str) -> Result<Vec<Site>, NoSite> {
        self.calls_all(callee)?;
        self.code
            .calls_to(entries)
            .map(|index| self.site(index, SiteKind::Call))
            .collect()
    }

    /// The first conditional branch after each call of `callee`, where its first result is still in its register.
    ///
    /// # Errors
    /// There is no such call, or one of them is not followed by such a branch, or `callee` is inlined here.
    pub fn branches_after_call(&self, entries: &[u64], callee: &str) -> Result<Vec<Site>, NoSite> {
        self.after_calls(entries, callee, |call| {
            let branch = branch_after(&self.code, call).ok_or_else(|| {
                self.none(&format!("no branch that still sees the result of {callee}"))
            })?;
            self.site(branch, SiteKind::BranchAfterCall)
        })
    }

    /// An instruction after each call of `callee`, once per call, where its first result is still in its register: an
    /// emulated one if there is.
    ///
    /// # Errors
    /// There is no such call, or `callee` is inlined here.
    pub fn places_after_call(&self, entries: &[u64], callee: &str) -> Result<Vec<Site>, NoSite> {
        self.after_calls(entries, callee, |call| {
            let cheap = cheap_after(&self.code, call);
            self.site(cheap.unwrap_or(call + 1), SiteKind::AfterCall)
        })
    }

    fn after_calls(
        &self,
        entries: &[u64],
        callee: &str,
        site: impl Fn(usize) -> Result<Site, NoSite>,
    ) -> Result<Vec<Site>, NoSite> {
        self.calls_all(callee)?;
        let sites: Vec<_> = self
            .code
            .calls_to(entries)
            .map(site)
            .collect::<Result<_, _>>()?;
        if sites.is_empty() {
            return Err(self.none(&format!("no call of {callee}")));
        }
        Ok(sites)
    }

    /// Whether the calls of a function that are in this code are all times that it is run from here.
    pub(in crate::go) fn calls_all(&self, callee: &str) -> Result<(), NoSite> {
        match &self.inlined {
            Some(inlined) => inlined.has_none_in(callee, self.code.entry()),
            None => Ok(()),
        }
    }

    /// The only conditional branch, of those at addresses that are `own`, that depends on comparing a global variable with a
    /// small constant 0.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn branch_on_global(&self, own: impl Fn(u64) -> bool) -> Result<Site, NoSite> {
        let places = 0..self.code.instructions().len();
        let mut branches = places
            .filter(|index| self.code.branches_on_global(*index))
            .filter(|index| self.code.get(*index).is_some_and(|it| own(it.address())));
        match (branches.next(), branches.next()) {
            (Some(branch), None) => self.site(branch, SiteKind::Branch),
            _ => Err(self.none("no single branch on a global variable")),
        }
    }

    /// Where the function ends, each time it does: its `ret` instructions, if the kernel emulates them. Else there must be
    /// one only, and it is the last emulated instruction before it, on a way that all returns take; or the `ret` itself if
    /// there is no such instruction.
    ///
    /// # Errors
    /// The function never returns; or in several places, and `ret` is not emulated.
    pub fn before_return(&self) -> Result<Vec<Site>, NoSite> {
        let returns: Vec<usize> = self.code.returns().collect();
        if returns
            .iter()
            .all(|the_return| self.code.is_emulated(*the_return))
        {
            return self.return_sites();
        }
        let [the_return] = returns[..] else {
            return Err(self.none(&format!("{} returns instead of one", returns.len())));
        };
        let goes_on = |index: &usize| {
            let flow = self.code.get(*index).map(|i| i.flow());
            flow.is_some_and(|flow| !matches!(flow, Flow::Jump(Some(_)) | Flow::Return))
        };
        let candidate = (0..the_return).rev().take_while(goes_on).find(|index| {
            self.code.is_emulated(*index) && self.code.get(*index).is_some_and(|i| !i.is_nop())
        });
        let site = match candidate {
            Some(index) if self.code.jumped_to(index + 1..the_return + 1).is_empty() => {
                self.site(index, SiteKind::BeforeReturn)
            }
            _ => self.site(the_return, SiteKind::Return),
        };
        Ok(vec![site?])
    }

    /// All `ret` instructions.
    ///
    /// # Errors
    /// The function never returns, or the kernel refuses one.
    pub fn return_sites(&self) -> Result<Vec<Site>, NoSite> {
        let sites: Vec<_> = self
            .code
            .returns()
            .map(|index| self.site(index, SiteKind::Return))
            .collect::<Result<_, _>>()?;
        if sites.is_empty() {
            return Err(self.none("no return"));
        }
        Ok(sites)
    }

    /// How many arguments the function takes in integer registers, counted where the stack check's slow path saves
    /// them. 0 also for a function without stack check.
    pub fn saved_arguments(&self) -> usize {
        self.code.saved_arguments()
    }

    /// An error of this function: `what` it lacks.
    pub fn none(&self, what: &str) -> NoSite {
        NoSite::new(format!("{} has {what}", self.name))
    }

    pub(in crate::go) fn site(&self, index: usize, kind: SiteKind) -> Result<Site, NoSite> {
        if let Some(inlined) = self.inlined.as_ref().filter(|_| !self.copies_are_seen) {
            inlined.has_none(self.name)?;
        }
        let instruction = self.code.get(index).ok_or_else(|| self.none("no code"))?;
        let vaddr = instruction.address();
        let offset = vaddr.saturating_sub(self.code.entry());
        if let Some(why) = self.code.refused(index) {
            return Err(NoSite::new(format!("{}+{offset:#x}: {why}", self.name)));
        }
        Ok(Site {
            function: self.name.to_owned(),
            offset,
            vaddr,
            file_offset: self
                .image
                .file_offset(vaddr)
                .ok_or_else(|| self.none("no code in the file"))?,
            kind,
            cost: if self.code.is_emulated(index) {
                Cost::OneTrap
            } else {
                Cost::SingleStepped
            },
            operands: Operands::default(),
            code: self.code.bytes_through(index).into(),
        })
    }
}

/// The first emulated instruction after the call at `call` that is not passed in other ways, before the result changes.
fn cheap_after(code: &Code<'_>, call: usize) -> Option<usize> {
    let mut effects = Effects::default();
    for index in call + 1.. {
        let instruction = code.get(index)?;
        if !code.jumped_to(index..index + 1).is_empty() {
            return None;
        }
        if code.is_emulated(index) {
            return Some(index);
        }
        if instruction.flow() != Flow::Next || effects.changes(instruction, Register::FIRST) {
            return None;
        }
    }
    None
}

/// The first conditional branch after the call at `call`, if nothing else happens to control flow and the result before
/// it.
fn branch_after(code: &Code<'_>, call: usize) -> Option<usize> {
    let mut effects = Effects::default();
    for index in call + 1.. {
        let instruction = code.get(index)?;
        if instruction.is_branch() {
            return code
                .jumped_to(call + 1..index + 1)
                .is_empty()
                .then_some(index);
        }
        if instruction.flow() != Flow::Next || effects.changes(instruction, Register::FIRST) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::elf::image::Machine;

    fn found(bytes: &[u8], call: usize) -> Option<usize> {
        branch_after(&Code::decode(Machine::X86_64, bytes, 0), call)
    }

    /// `runtime.runqsteal` of Go 1.21: `call runqgrab; test eax, eax; je`.
    #[test]
    fn branch_sees_the_result() {
        let bytes = [0xe8, 0, 0, 0, 0, 0x85, 0xc0, 0x74, 0x10];
        assert_eq!(found(&bytes, 0), Some(2));
    }

    /// `runtime.newcoro.func1` of Go 1.23: a comparison in memory and padding are between call and branch.
    #[test]
    fn branch_sees_the_result_through_other_instructions() {
        let bytes = [
            0xe8, 0, 0, 0, 0, // call newproc1
            0x83, 0x3d, 0xd2, 0xd4, 0x4e, 0x00, 0x00, // cmp dword [rip+…], 0
            0x66, 0x90, // xchg ax, ax
            0x75, 0x07, // jne
        ];
        assert_eq!(found(&bytes, 0), Some(3));
    }

    /// Something else in rax, another call, or a way around the call.
    #[test]
    fn branch_that_does_not_see_the_result() {
        let overwritten = [0xe8, 0, 0, 0, 0, 0x31, 0xc0, 0x74, 0x10];
        assert_eq!(found(&overwritten, 0), None);
        let called = [0xe8, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x74, 0x10];
        assert_eq!(found(&called, 0), None);
        let joined = [0x74, 0x05, 0xe8, 0, 0, 0, 0, 0x85, 0xc0, 0x74, 0x10];
        assert_eq!(found(&joined, 1), None);
    }
}
