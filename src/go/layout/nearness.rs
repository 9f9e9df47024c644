//! How sure a number from the table is of a version that may not have been measured.

use std::fmt;

use crate::go::version::GoVersion;

/// A release: minor and patch number.
pub type Release = (u16, u16);

/// How near the measured versions are to the one asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nearness {
    /// It was measured.
    Measured(Release),
    /// It lies between two measured patch releases that agree.
    Between(Release, Release),
    /// It lies beyond the measured patch releases of its minor version; this is the nearest.
    Beyond(Release),
    /// The exact version was not measured, or is not known; but the first and the last that it can be
    /// agree.
    Bridged(Release, Release),
    /// It is newer than everything that was measured; this is the newest. Members may have changed places.
    Newer(Release),
    /// It was built with experiments that were not measured; this is the nearest without them.
    Without(Release),
    /// It was measured, but the binary's code contradicts what was measured of other members of the structure.
    Contradicted(Release),
    /// It was measured, but the binary's code contradicts what was measured of other structures, and says nothing of this
    /// member or any behind it: whoever changed those may have changed this one.
    Elsewhere(Release),
    /// It was measured, but it has moved as its neighbours on both sides have, of which the binary's code says so.
    Alongside(Release),
    /// The version is not known, or was not measured; but the binary's code agrees with this release in all that it says.
    Fitting(Release),
    /// Several experiments together; each was measured alone, and one of them moves this field.
    Combined(Release),
}

impl Nearness {
    /// The nearest release that was measured.
    pub(super) fn nearest(&self) -> Release {
        match self {
            Nearness::Measured(at)
            | Nearness::Between(at, _)
            | Nearness::Beyond(at)
            | Nearness::Bridged(at, _)
            | Nearness::Newer(at)
            | Nearness::Without(at)
            | Nearness::Contradicted(at)
            | Nearness::Elsewhere(at)
            | Nearness::Alongside(at)
            | Nearness::Fitting(at)
            | Nearness::Combined(at) => *at,
        }
    }

    /// Of which releases it is, in a word or two.
    pub fn releases(&self) -> String {
        match self {
            Nearness::Between(low, high) | Nearness::Bridged(low, high) => {
                format!("{} to {}", release(*low), release(*high))
            }
            other => release(other.nearest()).to_string(),
        }
    }

    /// Whether it is less than a measurement: to be checked on the live process before it is used.
    pub fn is_assumed(&self) -> bool {
        !matches!(
            self,
            Nearness::Measured(_) | Nearness::Between(..) | Nearness::Alongside(_)
        )
    }

    /// Whether members of a structure may have changed places, so that each must be confirmed for itself. (A patch release
    /// or an experiment adds members or removes some, and moves what follows.)
    pub fn is_loose(&self) -> bool {
        matches!(self, Nearness::Newer(_) | Nearness::Contradicted(_))
    }
}

impl fmt::Display for Nearness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nearness::Measured(at) => {
                write!(f, "from grtmon's table, measured with {}", release(*at))
            }
            Nearness::Between(low, high) => write!(
                f,
                "from grtmon's table, the same in {} and {}",
                release(*low),
                release(*high)
            ),
            Nearness::Beyond(at) => write!(f, "assumed as of {}", release(*at)),
            Nearness::Bridged(low, high) => write!(
                f,
                "assumed, as {} and {} agree",
                release(*low),
                release(*high)
            ),
            Nearness::Newer(at) => write!(
                f,
                "assumed as of {}, the newest that was measured",
                release(*at)
            ),
            Nearness::Without(at) => write!(
                f,
                "assumed as of {} without an experiment that was not measured",
                release(*at)
            ),
            Nearness::Contradicted(at) => write!(
                f,
                "as of {}, whose structure the code of this binary contradicts",
                release(*at)
            ),
            Nearness::Elsewhere(at) => write!(
                f,
                "as of {}, which the code of this binary contradicts elsewhere",
                release(*at)
            ),
            Nearness::Alongside(at) => write!(
                f,
                "as of {}, moved alongside its neighbours, as the code of this binary shows",
                release(*at)
            ),
            Nearness::Fitting(at) => write!(
                f,
                "assumed as of {}, with which the code of this binary agrees",
                release(*at)
            ),
            Nearness::Combined(at) => write!(
                f,
                "assumed as of {}, whose experiments were measured one by one",
                release(*at)
            ),
        }
    }
}

pub(super) fn release((minor, patch): Release) -> GoVersion {
    GoVersion::new(minor, patch)
}
