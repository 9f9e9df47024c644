//! Where binaries are kept that were read besides a program's own: those of its plugins.

use std::sync::OnceLock;

/// More plugins than any program has.
const MOST: usize = 256;

/// The binaries that were read besides a program's own; ever more of them.
#[derive(Debug)]
pub struct Companions<B> {
    links: OnceLock<Box<Link<B>>>,
}

/// One of them, and those after it.
#[derive(Debug)]
struct Link<B> {
    /// What tells its file from others.
    key: [u64; 4],
    binary: Option<B>,
    next: OnceLock<Box<Link<B>>>,
}

/// A plugin that a process has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugin {
    /// Its number among the program's [`Companions`].
    pub(super) number: usize,
    /// What to add to its link-time addresses to get those that the program's would have there, modulo 2⁶⁴.
    pub(super) shift: u64,
}

impl<B> Default for Companions<B> {
    fn default() -> Self {
        Self {
            links: OnceLock::new(),
        }
    }
}

impl<B> Companions<B> {
    /// The plugin of this file, which `read` reads if it is not known yet. It is loaded `bias` bytes above its link-time
    /// addresses, the program `program` above its own. `None` if it cannot be read, now or before.
    pub fn plugin(
        &self,
        key: [u64; 4],
        program: u64,
        bias: impl Fn(&B) -> Option<u64>,
        read: impl FnOnce() -> Option<B>,
    ) -> Option<Plugin> {
        let mut place = &self.links;
        let mut read = Some(read);
        for number in 0..MOST {
            let link = place.get_or_init(|| {
                Box::new(Link {
                    key,
                    binary: read.take().and_then(|read| read()),
                    next: OnceLock::new(),
                })
            });
            if link.key == key {
                let shift = bias(link.binary.as_ref()?)?.wrapping_sub(program);
                return Some(Plugin { number, shift });
            }
            place = &link.next;
        }
        None
    }

    pub(super) fn get(&self, number: usize) -> Option<&B> {
        let mut link = self.links.get()?;
        for _ in 0..number {
            link = link.next.get()?;
        }
        link.binary.as_ref()
    }
}
