//! Where the parts of the program and of plugins lie in memory: `moduledata` (runtime/symtab.go), one behind the other.

use std::ops::Range;

use crate::go::layout::Field;
use crate::go::process::runtime_info::{ProcessView, ReadError};

/// No program has so many plugins.
const MOST: usize = 256;

/// More bytes of types, or of variables, are not believed.
const LARGEST: u64 = 1 << 32;

/// Live addresses.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// Of descriptors of types.
    pub(super) types: Vec<Range<u64>>,
    /// Of all that is not code.
    pub(super) data: Vec<Range<u64>>,
    /// Of variables that can hold pointers.
    pub(super) variables: Vec<(u64, u64)>,
}

/// Reads where they lie. What is found there is held against what it should be.
pub(super) fn read(view: &ProcessView<'_>) -> Result<Modules, ReadError> {
    let first = view.runtime_info.moduledata.ok_or_else(|| {
        ReadError::Unknown("runtime.firstmoduledata was not found in the binary".to_owned())
    })?;
    let mut modules = Modules::default();
    let mut at = first.wrapping_add(view.bias);
    for _ in 0..MOST {
        if at == 0 {
            break;
        }
        let word = |field: Field| {
            let offset = view.runtime_info.layout.hint(field);
            let offset = offset.ok_or_else(|| {
                ReadError::Unknown(format!("where {field} lies is not known of this binary"))
            })?;
            Ok::<u64, ReadError>(view.memory.u64(at.wrapping_add(u64::from(offset)))?)
        };
        let range = |from, to| {
            let (from, to) = (word(from)?, word(to)?);
            match from <= to && to - from <= LARGEST {
                true => Ok(from..to),
                false => Err(ReadError::Implausible(
                    "a part of the program ends before it begins".to_owned(),
                )),
            }
        };
        let types = range(Field::ModuledataTypes, Field::ModuledataEtypes)?;
        let data = range(Field::ModuledataEtext, Field::ModuledataEnd)?;
        let variables = [
            range(Field::ModuledataData, Field::ModuledataEdata)?,
            range(Field::ModuledataBss, Field::ModuledataEbss)?,
        ];
        if types.is_empty() {
            return Err(ReadError::Implausible(
                "the program has no types".to_owned(),
            ));
        }
        modules.types.push(types);
        modules.data.push(data);
        let variables = variables
            .into_iter()
            .map(|range| (range.start & !7, range.end));
        modules.variables.extend(variables);
        at = word(Field::ModuledataNext)?;
    }
    Ok(modules)
}
