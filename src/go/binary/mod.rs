//! A Go binary: the image and the few facts that everything else starts from.

pub mod buildinfo;
pub(in crate::go) mod companions;
pub mod implied;
pub mod moduledata;
pub mod plugins;
mod quoted;
pub mod size_classes;
#[cfg(test)]
pub(in crate::go) mod synthetic;
pub(in crate::go) mod variables;
pub(in crate::go) mod wrapper_id;

use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::go::binary::buildinfo::BuildInfo;
use crate::go::binary::companions::Companions;
use crate::go::binary::implied::{VersionRange, implied};
use crate::go::binary::moduledata::ModuleData;
use crate::go::binary::variables::linker_strings;
use crate::go::elf::file_bytes::FileBytes;
use crate::go::elf::image::Image;
use crate::go::error::GoError;
use crate::go::pclntab::FuncTable;
use crate::go::pclntab::header::{self, Header};
use crate::go::pclntab::inlined_names::InlinedNames;
use crate::go::pclntab::names::NameIndex;
use crate::go::version::GoVersion;
use crate::go::versions::NEWEST_TESTED;

/// A Go binary.
#[derive(Debug)]
pub struct Binary {
    image: Image,
    header: Header,
    names: NameIndex,
    moduledata: Option<ModuleData>,
    text: Range<u64>,
    build_info: Option<BuildInfo>,
    version: Option<GoVersion>,
    version_source: VersionSource,
    /// What its functions imply where it names a version that nobody knows.
    implied: Option<VersionRange>,
    wrapper_id: OnceLock<Option<u8>>,
    inlined_names: OnceLock<Option<InlinedNames>>,
    companions: Arc<Companions<Binary>>,
}

impl Binary {
    /// Reads what is needed to answer questions; the work is proportional to the answers, not to the file.
    ///
    /// # Errors
    /// Everything in [`GoError`].
    pub fn parse(bytes: impl FileBytes) -> Result<Self, GoError> {
        let bytes: Arc<dyn FileBytes> = Arc::new(bytes);
        let binary = Self::of(Image::of(&bytes)?);
        // Whatever was found, or missed.
        match bytes.has_changed() {
            true => Err(GoError::Changed),
            false => binary,
        }
    }

    fn of(image: Image) -> Result<Self, GoError> {
        let headers = header::find(&image)?;
        let with_moduledata = headers
            .iter()
            .find_map(|header| Some((header.clone(), ModuleData::find(&image, header)?)));
        let (header, moduledata) = match (with_moduledata, headers.into_iter().next()) {
            (Some((header, moduledata)), _) => (header, Some(moduledata)),
            (None, Some(header)) => (header, None),
            (None, None) => return Err(GoError::NotGo(None)),
        };
        let text = text(&image, &header, moduledata.as_ref())?;
        let mut binary = Self {
            header,
            names: NameIndex::default(),
            moduledata,
            text,
            build_info: BuildInfo::find(&image),
            version: None,
            version_source: VersionSource::BuildInfo,
            implied: None,
            wrapper_id: OnceLock::new(),
            inlined_names: OnceLock::new(),
            companions: Arc::default(),
            image,
        };
        binary.find_version()?;
        Ok(binary)
    }

    fn find_version(&mut self) -> Result<(), GoError> {
        if let Some(recorded) = &self.build_info {
            self.version = GoVersion::parse(&recorded.go_version);
        }
        if self.version.is_none() {
            let (range, mut why) = implied(&self.functions());
            let found = self.build_version(range);
            match (found, &self.build_info) {
                (Some((text, version)), None) => {
                    self.build_info = Some(BuildInfo::without_blob(&self.image, &text));
                    self.version = Some(version);
                    self.version_source = VersionSource::Variable;
                }
                (_, recorded) => {
                    if let Some(recorded) = recorded {
                        why = format!("calls itself {:?}; {why}", recorded.go_version);
                    }
                    self.version_source = VersionSource::Implied { range, why };
                }
            }
        }
        let is_newer = |version: &GoVersion| version.minor > NEWEST_TESTED;
        if self.version.as_ref().is_some_and(is_newer) {
            self.implied = Some(implied(&self.functions()).0);
        }
        match &self.version {
            Some(version) if version.minor < 18 => {
                Err(GoError::TooOld(format!("it was built with {version}")))
            }
            _ => Ok(()),
        }
    }

    /// The value of `runtime.buildVersion`, if only one variable that the linker has set can be it.
    fn build_version(&self, range: VersionRange) -> Option<(String, GoVersion)> {
        let candidates = linker_strings(&self.image, 256).filter_map(|text| {
            let text = std::str::from_utf8(text)
                .ok()
                .filter(|text| text.starts_with("go1.") || text.starts_with("devel "))?;
            let version = GoVersion::parse(text).filter(|version| range.contains(version.minor))?;
            Some((text.to_owned(), version))
        });
        let mut found = None;
        for candidate in candidates {
            match &found {
                None => found = Some(candidate),
                Some(first) if *first == candidate => {}
                Some(_) => return None,
            }
        }
        found
    }

    /// The ELF file.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Its functions.
    pub fn functions(&self) -> FuncTable<'_> {
        let funcdata = self.moduledata.and_then(|m| m.gofunc);
        FuncTable::new(
            &self.image,
            &self.header,
            self.text.start,
            funcdata,
            &self.names,
        )
    }

    /// The Go version, if the binary says it: see [`Binary::version_source`].
    pub fn version(&self) -> Option<&GoVersion> {
        self.version.as_ref()
    }

    /// How the version is known.
    pub fn version_source(&self) -> &VersionSource {
        &self.version_source
    }

    /// What the go command recorded about the build.
    pub fn build_info(&self) -> Option<&BuildInfo> {
        self.build_info.as_ref()
    }

    /// The minor versions that it can be built with: one if the version is known, else what its contents imply. Where it
    /// names a version newer than all that are known, and its contents are those of an older one, the contents count.
    pub fn version_range(&self) -> VersionRange {
        match (&self.version, &self.version_source) {
            (Some(version), _)
                if let Some(implied) = self.implied
                    && !implied.contains(version.minor) =>
            {
                implied
            }
            (Some(version), _) => VersionRange::only(version.minor),
            (None, VersionSource::Implied { range, .. }) => *range,
            (None, _) => VersionRange {
                oldest: 18,
                newest: None,
            },
        }
    }

    /// Whether C code is linked in through cgo; `None` if that cannot be told because names are obfuscated.
    ///
    /// `crosscall2` (runtime/cgo/asm_*.s, Go 1.18 to 1.27) is how C calls Go, and in every program with runtime/cgo.
    pub fn uses_cgo(&self) -> Option<bool> {
        let functions = self.functions();
        let has = |name| !functions.by_name(name).is_empty();
        has("runtime.mallocgc").then(|| has("crosscall2"))
    }

    /// Whether the program can load plugins (plugin/plugin_dlopen.go, Go 1.8 to 1.27).
    pub fn loads_plugins(&self) -> bool {
        let functions = self.functions();
        // The files are told much sooner than the functions.
        functions.has_file("plugin_dlopen.go") && !functions.by_name("plugin.open").is_empty()
    }

    /// Where functions of the runtime are inlined; `None` if it does not say so. Found out once, when somebody first asks.
    pub(in crate::go) fn inlined_names(&self) -> Option<&InlinedNames> {
        let names = || InlinedNames::of(&self.functions());
        self.inlined_names.get_or_init(names).as_ref()
    }

    /// What was read of plugins that its processes have loaded.
    pub fn companions(&self) -> &Arc<Companions<Self>> {
        &self.companions
    }

    /// Link-time addresses of the Go code.
    pub fn text(&self) -> Range<u64> {
        self.text.clone()
    }

    /// The linker's summary, if found.
    pub fn moduledata(&self) -> Option<&ModuleData> {
        self.moduledata.as_ref()
    }
}

/// Where a version is known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionSource {
    /// The build information (`.go.buildinfo`).
    BuildInfo,
    /// There is no build information; the variable `runtime.buildVersion` in the file says it.
    Variable,
    /// The binary does not say it; what its contents imply.
    Implied {
        /// The versions that it can be.
        range: VersionRange,
        /// Why, in one line for people.
        why: String,
    },
}

/// Link-time addresses of the Go code.
fn text(
    image: &Image,
    header: &Header,
    moduledata: Option<&ModuleData>,
) -> Result<Range<u64>, GoError> {
    if let Some(m) = moduledata {
        return Ok(m.text..m.etext);
    }
    let length = header.text_length(image);
    // `pcHeader.textStart`, up to Go 1.25.
    let start = image
        .pointer(header.vaddr.saturating_add(24))
        .filter(|start| *start != 0);
    let range = start.and_then(|start| Some(start..start.checked_add(length?)?));
    range
        .ok_or_else(|| GoError::corrupt("the start of the program's code is not recorded anywhere"))
}

#[cfg(test)]
mod tests;
