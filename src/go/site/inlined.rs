//! Where the bodies of the runtime's functions stand besides their own code: the compiler copies the body of a small
//! function, and with a profile (`go build -pgo`) that of any function called often, into its callers.
//!
//! A probe on a function sees none of what passes a copy. So `Body::site` gives no site in a
//! function of which there are copies, unless whoever asks says that they look after those too.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::go::pclntab::inline::Copy;
use crate::go::pclntab::{FuncTable, Function};
use crate::go::site::NoSite;

/// What the names of the runtime's functions begin with.
pub(in crate::go) const PACKAGE: &str = "runtime.";

/// Functions that are looked at before what was read of the file is given back.
const AT_ONCE: usize = 4096;

/// Callers named in an error.
const NAMED: usize = 3;

/// Where bodies were copied to. Found out when it is first asked, which takes a pass over the whole function table.
#[derive(Debug)]
pub struct Inlined<'i> {
    table: FuncTable<'i>,
    hosts: OnceLock<Hosts<'i>>,
}

/// By the name of a function: the entries of those into which it was inlined, ascending.
type Hosts<'i> = BTreeMap<&'i str, Vec<u64>>;

impl<'i> Inlined<'i> {
    /// Of the program that has this function table.
    pub fn new(table: FuncTable<'i>) -> Self {
        Self {
            table,
            hosts: OnceLock::new(),
        }
    }

    /// The copies of the body of the runtime's function `name`, by address.
    ///
    /// # Errors
    /// The program does not say where functions are inlined.
    pub fn copies(&self, name: &str) -> Result<Vec<Copy<'i>>, NoSite> {
        let hosts = self.hosts()?.get(name).map(Vec::as_slice);
        let hosts = hosts.unwrap_or_default().iter();
        let hosts = hosts.filter_map(|entry| self.table.at(*entry));
        Ok(hosts.flat_map(|host| self.copies_in(name, &host)).collect())
    }

    fn copies_in(&self, name: &str, host: &Function<'i>) -> Vec<Copy<'i>> {
        self.table.copies_in(host, |inlined| inlined == name)
    }

    /// The names of the runtime's functions of which there are copies, in no particular order. The linker leaves out the
    /// code of those that are inlined wherever they are called.
    ///
    /// # Errors
    /// As for [`copies`](Self::copies).
    pub fn names(&self) -> Result<impl Iterator<Item = &'i str> + '_, NoSite> {
        Ok(self.hosts()?.keys().copied())
    }

    fn hosts(&self) -> Result<&Hosts<'i>, NoSite> {
        if !self.table.knows_inlining() {
            return Err(NoSite::new(
                "this program does not tell where functions are inlined (no moduledata.gofunc)",
            ));
        }
        Ok(self.hosts.get_or_init(|| {
            let mut found = Hosts::new();
            for (number, function) in self.table.unnamed().enumerate() {
                if number.is_multiple_of(AT_ONCE) {
                    self.table.image.release_all();
                }
                self.table.inlined_into(&function, PACKAGE, |name| {
                    let hosts = found.entry(name).or_default();
                    if hosts.last() != Some(&function.entry) {
                        hosts.push(function.entry);
                    }
                });
            }
            self.table.image.release_all();
            found
        }))
    }

    /// # Errors
    /// There are copies of the function's body, and where.
    pub fn has_none(&self, name: &str) -> Result<(), NoSite> {
        match self.copies(name)?.as_slice() {
            [] => Ok(()),
            copies => Err(is_inlined(name, copies.iter())),
        }
    }

    /// # Errors
    /// There are copies of the function's body in the function that begins at `entry`.
    pub fn has_none_in(&self, name: &str, entry: u64) -> Result<(), NoSite> {
        let hosts = self.hosts()?.get(name);
        let host = hosts.and_then(|hosts| hosts.iter().find(|host| **host == entry));
        let host = host.and_then(|host| self.table.at(*host));
        match host.map(|host| self.copies_in(name, &host)).as_deref() {
            None | Some([]) => Ok(()),
            Some(copies) => Err(is_inlined(name, copies.iter())),
        }
    }
}

/// "runtime.casgstatus is inlined into runtime.park_m, runtime.execute and 2 more".
pub(in crate::go) fn is_inlined<'c, 'i: 'c>(
    name: &str,
    copies: impl Iterator<Item = &'c Copy<'i>>,
) -> NoSite {
    let mut callers: Vec<&str> = Vec::new();
    for copy in copies {
        if !callers.contains(&copy.within.name) {
            callers.push(copy.within.name);
        }
    }
    let more = match callers.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    callers.truncate(NAMED);
    NoSite::new(format!(
        "{name} is inlined into {}{more}, where it cannot be seen",
        callers.join(", ")
    ))
}
