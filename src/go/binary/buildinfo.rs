//! What `go version -m` prints: the Go version, the modules and the build settings that the linker left in the binary.
//!
//! The blob (`.go.buildinfo`, among the variables, aligned to 16 bytes) begins with the magic, the pointer size and a
//! flag byte; since Go 1.18 flag 2 says that two strings follow at offset 32, each a varint length and its bytes: the
//! version, and the text of the build list between two 16-byte marks. Source: debug/buildinfo/buildinfo.go,
//! runtime/debug/mod.go (`ParseBuildInfo`) and cmd/link/internal/ld/data.go (`buildinfo`), Go 1.18 to 1.27.

use super::quoted::unquote;
use super::variables::linker_strings;
use crate::go::elf::image::Image;

/// Build information, as the go command recorded it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// Go version as recorded, for example `go1.25.5 X:greenteagc`.
    pub go_version: String,
    /// Package path of the main package; empty if not recorded.
    pub path: String,
    /// Path of the main module; empty if built outside of a module.
    pub main_module: String,
    /// Version of the main module, for example `(devel)`.
    pub main_version: String,
    /// The modules that the program was built from, besides the main one, in recorded order.
    pub dependencies: Vec<Module>,
    /// Build settings (`CGO_ENABLED`, `GOARCH`, `-ldflags`, …) in recorded order.
    pub settings: Vec<(String, String)>,
}

/// A module that the program was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Module path.
    pub path: String,
    /// Module version.
    pub version: String,
    /// Checksum (`h1:…`); empty if not recorded.
    pub sum: String,
    /// What it was replaced with.
    pub replaced_by: Option<Box<Module>>,
}

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
const ALIGNMENT: u64 = 16;
/// The two strings follow in the blob itself (Go 1.18 and later) instead of being pointed to.
const INLINE_STRINGS: u8 = 2;
/// Of the blob up to the first string.
const HEADER: usize = 32;
/// Of the mark before the build list, and of that behind it.
const MARK: usize = 16;
/// No build list is longer.
const MAX_LIST: usize = 1 << 20;
/// The mark before the build list (cmd/go/internal/modload/build.go, `infoStart`).
const START: &[u8; MARK] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";

impl BuildInfo {
    /// Finds and reads the blob: in section `.go.buildinfo`, else by its magic among the variables.
    ///
    /// `None` if there is none, if it has been wiped out, or if it is from before Go 1.18.
    pub(in crate::go) fn find(image: &Image) -> Option<Self> {
        let section = image
            .section(".go.buildinfo")
            .and_then(|s| image.slice_from(s.vaddr));
        if let Some(info) = section.and_then(Self::read) {
            return Some(info);
        }
        image
            .segments()
            .iter()
            .filter(|s| s.write)
            .find_map(|segment| {
                let bytes = image.slice_from(segment.vaddr)?;
                let aligned = |at: &usize| segment.vaddr.wrapping_add(*at as u64) % ALIGNMENT == 0;
                memchr::memmem::find_iter(bytes, MAGIC)
                    .filter(aligned)
                    .find_map(|at| Self::read(bytes.get(at..)?))
            })
    }

    fn read(blob: &[u8]) -> Option<Self> {
        let header = blob.get(..HEADER)?;
        if !header.starts_with(MAGIC) || header.get(15)? & INLINE_STRINGS == 0 {
            return None;
        }
        let (version, rest) = string(blob.get(HEADER..)?)?;
        let version = std::str::from_utf8(version)
            .ok()
            .filter(|v| !v.is_empty())?;
        let (list, _) = string(rest).unwrap_or_default();
        Some(Self::from_parts(version, list))
    }

    /// Build information without a blob: from the variables that the runtime itself has it in. `version` is the value
    /// of `runtime.buildVersion`; the build list (`runtime.modinfo`) is looked for.
    pub(in crate::go) fn without_blob(image: &Image, version: &str) -> Self {
        let list = linker_strings(image, MAX_LIST).find(|text| text.starts_with(START));
        Self::from_parts(version, list.unwrap_or_default())
    }

    fn from_parts(version: &str, list: &[u8]) -> Self {
        let mut info = Self {
            go_version: version.to_owned(),
            ..Self::default()
        };
        let list = list
            .get(MARK..list.len().saturating_sub(MARK))
            .and_then(|l| std::str::from_utf8(l).ok());
        list.unwrap_or_default()
            .lines()
            .for_each(|line| info.line(line));
        info
    }

    /// Takes in one line of the build list: a keyword and fields, separated by tabs.
    fn line(&mut self, line: &str) {
        let Some((keyword, rest)) = line.split_once('\t') else {
            return;
        };
        match keyword {
            "path" => self.path = rest.to_owned(),
            "mod" => {
                let module = Module::parse(rest);
                (self.main_module, self.main_version) = (module.path, module.version);
            }
            "dep" => self.dependencies.push(Module::parse(rest)),
            "=>" => {
                if let Some(last) = self.dependencies.last_mut() {
                    last.replaced_by = Some(Box::new(Module::parse(rest)));
                }
            }
            "build" => self.settings.extend(setting(rest)),
            _ => {}
        }
    }

    /// The value of a build setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }
}

impl Module {
    fn parse(fields: &str) -> Self {
        let mut fields = fields.split('\t').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        Self {
            path: next(),
            version: next(),
            sum: next(),
            replaced_by: None,
        }
    }
}

/// `key=value`; each of the two may be quoted as in Go source.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, value) = match unquote(text) {
        Some((key, rest)) => (key, rest.strip_prefix('=')?),
        None => text
            .split_once('=')
            .map(|(key, value)| (key.to_owned(), value))?,
    };
    let value = unquote(value).map_or_else(|| value.to_owned(), |(value, _)| value);
    Some((key, value))
}

/// A string with its length before it, and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0u64;
    for (i, byte) in bytes.iter().enumerate().take(9) {
        length |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return bytes
                .get(i + 1..)?
                .split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(version: &str, list: &str) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend([8, 2]);
        blob.resize(HEADER, 0);
        let list = format!("0123456789abcdef{list}0123456789abcdef");
        for text in [version, &list] {
            let length = u16::try_from(text.len()).unwrap();
            blob.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
            blob.extend(text.as_bytes());
        }
        blob
    }

    const LIST: &str = "path\texample.com/x/cmd/y\nmod\texample.com/x\tv1.2.3\th1:abc=\ndep\texample.com/z\tv0.1.0\n=>\t../z\t(devel)\t\n\
        build\t-buildmode=exe\nbuild\t-ldflags=\"-s -w -X main.v=\\\"1\\\"\"\nbuild\t\"odd key\"=`raw\\n`\nnonsense\n";

    #[test]
    fn reads_everything() {
        let info = BuildInfo::read(&blob("go1.25.5 X:greenteagc", LIST)).unwrap();
        assert_eq!(info.go_version, "go1.25.5 X:greenteagc");
        assert_eq!(info.path, "example.com/x/cmd/y");
        assert_eq!(
            (info.main_module.as_str(), info.main_version.as_str()),
            ("example.com/x", "v1.2.3")
        );
        assert_eq!(info.dependencies.len(), 1);
        assert_eq!(
            info.dependencies[0].replaced_by.as_ref().unwrap().path,
            "../z"
        );
        assert_eq!(info.setting("-buildmode"), Some("exe"));
        assert_eq!(info.setting("-ldflags"), Some("-s -w -X main.v=\"1\""));
        assert_eq!(info.setting("odd key"), Some("raw\\n"));
        assert_eq!(info.settings.len(), 3);
    }

    #[test]
    fn an_empty_build_list_still_has_the_version() {
        let mut blob = blob("go1.21.13", "");
        blob.truncate(HEADER + 2 + "go1.21.13".len());
        assert_eq!(BuildInfo::read(&blob).unwrap().go_version, "go1.21.13");
    }

    #[test]
    fn wiped_or_cut_off_is_none() {
        let whole = blob("go1.21.13", LIST);
        assert_eq!(BuildInfo::read(&whole[..40]), None);
        assert_eq!(BuildInfo::read(&[0; 100]), None);
        let mut endless = whole.clone();
        endless[HEADER..HEADER + 12].fill(0xff);
        assert_eq!(BuildInfo::read(&endless), None);
        let mut pointers = whole;
        pointers[15] = 0;
        assert_eq!(BuildInfo::read(&pointers), None);
    }
}
