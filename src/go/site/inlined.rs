//! Where the bodies of the runtime's functions stand besides their own code: the compiler copies the body of a small
//! function, and with a profile (`go build -pgo`) that of any function called often, into its callers.
//!
//! A probe on a function sees none of what passes a copy. So `Body::site` gives no site in a
//! function of which there are copies, unless whoever asks says that they look after those too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::go::binary::Binary;
use crate::go::pclntab::inline::Copy;
use crate::go::pclntab::inlined_names::InlinedNames;
use crate::go::pclntab::{FuncTable, Function};
use crate::go::site::NoSite;

pub(in crate::go) use crate::go::pclntab::inlined_names::PACKAGE;

/// Callers named in an error.
const NAMED: usize = 3;

/// Where bodies were copied to. Found out when it is first asked, which takes a look at the records of all functions.
#[derive(Debug)]
pub struct Inlined<'i> {
    binary: &'i Binary,
    table: FuncTable<'i>,
    /// By the name of a function that was asked for: the entries of those into which it was inlined, ascending.
    hosts: Mutex<BTreeMap<String, Arc<[u64]>>>,
}

impl<'i> Inlined<'i> {
    /// Of a program.
    pub fn new(binary: &'i Binary) -> Self {
        Self {
            binary,
            table: binary.functions(),
            hosts: Mutex::default(),
        }
    }

    /// The copies of the body of the runtime's function `name`, by address.
    ///
    /// # Errors
    /// The program does not say where functions are inlined.
    pub fn copies(&self, name: &str) -> Result<Vec<Copy<'i>>, NoSite> {
        let hosts = self.hosts(name)?;
        let hosts = hosts.iter().filter_map(|entry| self.table.at(*entry));
        Ok(hosts.flat_map(|host| self.copies_in(name, &host)).collect())
    }

    fn copies_in(&self, name: &str, host: &Function<'i>) -> Vec<Copy<'i>> {
        self.table.copies_in(host, |inlined| inlined == name)
    }

    /// The names of the runtime's functions of which there are copies and that are wanted, in no particular order. The linker
    /// leaves out the code of those that are inlined wherever they are called.
    ///
    /// # Errors
    /// As for [`copies`](Self::copies).
    pub fn names(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<&'i str>, NoSite> {
        let mut found = Vec::new();
        let names = self.all()?.names(&self.table);
        for name in names.filter(|name| is_wanted(name)) {
            if !self.hosts(name)?.is_empty() {
                found.push(name);
            }
        }
        Ok(found)
    }

    fn all(&self) -> Result<&'i InlinedNames, NoSite> {
        self.binary.inlined_names().ok_or_else(|| {
            NoSite::new(
                "this program does not tell where functions are inlined (no moduledata.gofunc)",
            )
        })
    }

    /// The entries of the functions into which that one is inlined, ascending.
    fn hosts(&self, name: &str) -> Result<Arc<[u64]>, NoSite> {
        let all = self.all()?;
        let mut known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hosts) = known.get(name) {
            return Ok(Arc::clone(hosts));
        }
        let hosts: Arc<[u64]> = all.hosts(&self.table, name).into();
        known.insert(name.to_owned(), Arc::clone(&hosts));
        Ok(hosts)
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
        let hosts = self.hosts(name)?;
        let host = hosts.iter().find(|host| **host == entry);
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
