//! The profile that another is compared with: `--diff BASE`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::model::foreign;
use crate::model::human::duration;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;
use crate::render::pprof;
use crate::render::profile;

/// What was read of the file.
pub(super) struct Base {
    /// The profile.
    pub(super) profile: Profile,
    /// The file, for people.
    name: String,
}

/// What is to be known of the difference, for people.
pub(super) struct Since {
    /// What has changed altogether.
    pub(super) about: String,
    /// Why the two can be compared with care only.
    pub(super) warnings: Vec<String>,
}

impl Base {
    /// Of a file that counts this, at least.
    ///
    /// # Errors
    /// It cannot be read, or it is no such profile.
    pub(super) fn read(path: &Path, types: &[ValueType]) -> Result<Self> {
        let name = foreign::shown(&path.to_string_lossy()).into_owned();
        let profile = read(path, types).with_context(|| format!("cannot compare with {name}"))?;
        Ok(Self { profile, name })
    }

    /// From then to now.
    pub(super) fn since(&self, now: &Profile) -> Since {
        let base = &self.profile;
        let mut about = format!("since {}", self.name);
        if let (Some(then), Some(now)) = (base.unix_ns, now.unix_ns) {
            about += &match now.checked_sub(then) {
                Some(ago) => format!(", {} before", duration(ago)),
                None => ", which was written later".to_owned(),
            };
        }
        for (index, value) in now.types.iter().enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            let (then, now) = (base.total(index), now.total(index));
            let sign = if now < then { "-" } else { "+" };
            let [then, now, change] =
                [then, now, now.abs_diff(then)].map(|count| profile::size(count, *value));
            about += &format!("{separator}{} {then} → {now} ({sign}{change})", value.name);
        }
        Since {
            about,
            warnings: self.warnings(now),
        }
    }

    fn warnings(&self, now: &Profile) -> Vec<String> {
        let (base, mut warnings) = (&self.profile, Vec::new());
        if let (Some(then), Some(is)) = (&base.mapping.build_id, &now.mapping.build_id)
            && then != is
        {
            warnings.push(format!(
                "{} is of another build of the program, or of another one: functions are the same if their names are",
                self.name
            ));
        }
        if let (Some(then), Some(now)) = (base.duration_ns, now.duration_ns)
            && then.abs_diff(now) > then.max(now) / 20
        {
            warnings.push(format!(
                "{} is over {}, this over {}: nothing is scaled",
                self.name,
                duration(then),
                duration(now)
            ));
        }
        warnings
    }
}

fn read(path: &Path, types: &[ValueType]) -> Result<Profile> {
    // A pipe that nobody writes to would hold whoever opens it.
    let there = std::fs::metadata(path)?;
    if !there.is_file() {
        bail!("it is no file");
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(pprof::MOST_BYTES + 1);
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > pprof::MOST_BYTES {
        bail!("it is larger than {} MiB", pprof::MOST_BYTES >> 20);
    }
    pprof::decode(&bytes, types)
}
