//! Provisional: the few offsets that `gr` needs, until the generated table lands in this place.

use std::fmt;

use super::Binary;

/// A field of a runtime structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Field {
    GGoid,
    GM,
    MP,
    MCurg,
    PId,
    GGopc,
    GStartpc,
    GParentGoid,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Offsets for one Go version.
#[derive(Debug)]
pub struct Layout {
    version: Option<usize>,
}

const MINORS: [u16; 8] = [19, 21, 22, 23, 24, 25, 26, 27];

impl Layout {
    /// For this binary's version.
    pub fn of(binary: &Binary) -> Self {
        let minor = binary.version().map(|version| version.minor);
        Self {
            version: minor.and_then(|minor| MINORS.iter().position(|known| *known == minor)),
        }
    }

    /// The offset in bytes.
    pub fn offset(&self, field: Field) -> Option<u32> {
        let of = |offsets: [u32; 8]| offsets.get(self.version?).copied();
        match field {
            Field::GGoid => of([152, 152, 152, 160, 160, 152, 152, 152]),
            Field::GM => of([48; 8]),
            Field::MP => of([208, 208, 208, 208, 208, 200, 208, 208]),
            Field::MCurg => of([192, 192, 192, 192, 192, 184, 184, 184]),
            Field::PId => of([0; 8]),
            Field::GGopc => of([296, 280, 280, 288, 288, 280, 288, 288]),
            Field::GStartpc => of([312, 296, 296, 304, 304, 296, 304, 304]),
            Field::GParentGoid => {
                of([0, 272, 272, 280, 280, 272, 280, 280]).filter(|offset| *offset > 0)
            }
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("provisional table")
    }
}
