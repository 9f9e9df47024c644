//! A Go binary: the image and the few facts that everything else starts from.

use std::ops::Range;

use super::buildinfo::BuildInfo;
use super::error::GoError;
use super::image::Image;
use super::inline::InlineFormat;
use super::moduledata::ModuleData;
use super::pclntab::FuncTable;
use super::pclntab_header::{self, Format, Header};
use super::version::{GoVersion, VersionSource};

/// A Go binary.
#[derive(Debug)]
pub struct Binary {
    image: Image,
    header: Header,
    moduledata: Option<ModuleData>,
    text: Range<u64>,
    build_info: Option<BuildInfo>,
    version: Option<GoVersion>,
    version_source: VersionSource,
}

impl Binary {
    /// Reads what is needed to answer questions; the work is proportional to the answers, not to the file.
    ///
    /// # Errors
    /// Everything in [`GoError`].
    pub fn parse(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self, GoError> {
        let image = Image::parse(bytes)?;
        let headers = pclntab_header::find(&image)?;
        let with_moduledata = headers
            .iter()
            .find_map(|header| Some((header.clone(), ModuleData::find(&image, header)?)));
        let (header, moduledata) = match (with_moduledata, headers.into_iter().next()) {
            (Some((header, moduledata)), _) => (header, Some(moduledata)),
            (None, Some(header)) => (header, None),
            (None, None) => return Err(GoError::NotGo),
        };
        let start = match moduledata {
            Some(m) => m.text,
            None => image
                .pointer(header.vaddr.saturating_add(24))
                .filter(|text| *text != 0)
                .ok_or_else(|| {
                    GoError::corrupt("the start of the program's code is not recorded anywhere")
                })?,
        };
        let text = start..moduledata.map_or(start, |m| m.etext);
        Ok(Self {
            header,
            moduledata,
            text,
            build_info: None,
            version: None,
            version_source: VersionSource::Implied { why: String::new() },
            image,
        })
    }

    /// The ELF file.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Its functions.
    pub fn functions(&self) -> FuncTable<'_> {
        let inline = match self.header.format {
            Format::Go118 => InlineFormat::Go118,
            Format::Go120 => InlineFormat::Go121,
        };
        FuncTable::new(
            &self.image,
            &self.header,
            self.text.start,
            self.moduledata.and_then(|m| m.gofunc),
            inline,
        )
    }

    /// The Go version, if the binary says it.
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

    /// Whether it contains C code called through cgo; `None` if the binary does not say.
    pub fn uses_cgo(&self) -> Option<bool> {
        None
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
