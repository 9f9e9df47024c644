//! Core dumps as they are kept: compressed, by systemd-coredump (zstd, lz4) or by somebody's script (gzip).
//!
//! A dump is unpacked into a file that has no name and so goes with grtmon, whatever ends it: not into memory, of which
//! there may be less than of the disk. What is zero takes no room there. A small file can pretend to be a huge one, so no
//! more is written than the dump's own headers say that it is long, and never the last of a disk.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use nix::fcntl::OFlag;
use nix::sys::statvfs::fstatvfs;
use ruzstd::decoding::BlockDecodingStrategy;
use ruzstd::decoding::FrameDecoder as ZstdFrame;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::errors::ReadFrameHeaderError;

use crate::go::process::core_file::whole_size;

/// Ways in which a file is compressed, by its first bytes.
const FORMS: [(&[u8], Form); 5] = [
    (b"\x28\xb5\x2f\xfd", Form::Zstd),
    (b"\x04\x22\x4d\x18", Form::Lz4),
    (b"\x1f\x8b", Form::Gzip),
    (b"\xfd7zXZ\0", Form::Other("xz")),
    (b"BZh", Form::Other("bzip2")),
];

/// So much is unpacked at a time, and what of it is zero is left out in pages.
const PIECE: usize = 1 << 20;
const PAGE: usize = 4096;

/// What is left free of the disk.
const RESERVE: u64 = 256 << 20;

/// The headers of a dump, of as many mappings as a process can have (`vm.max_map_count` is 65,530 unless it was raised).
const MAX_HEADERS: usize = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Zstd,
    Lz4,
    Gzip,
    /// With the program that unpacks it.
    Other(&'static str),
}

/// An unpacked file.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// It has no name.
    pub(super) file: File,
    /// Why it is not whole, if it is not.
    pub(super) incomplete: Option<String>,
}

/// Unpacks a core dump; `None` if it is not compressed. `shown` is its name for people.
///
/// # Errors
/// It cannot be read, or is compressed in another way, or is no core dump, or there is no room.
pub(super) fn unpack(packed: &File, shown: &str) -> Result<Option<Unpacked>> {
    let mut packed = packed;
    let mut magic = [0; 6];
    let (there, _) = fill(&mut packed, &mut magic);
    packed.rewind().context("cannot read it")?;
    let magic = magic.get(..there).unwrap_or_default();
    let mut forms = FORMS.iter();
    let Some((_, form)) = forms.find(|(start, _)| magic.starts_with(start)) else {
        return Ok(None);
    };
    let input = BufReader::with_capacity(PIECE, packed);
    let mut source: Box<dyn Read + '_> = match form {
        Form::Zstd => Box::new(ZstdFrames {
            input,
            frame: ZstdFrame::new(),
            begun: false,
        }),
        Form::Lz4 => Box::new(FrameDecoder::new(input)),
        Form::Gzip => Box::new(MultiGzDecoder::new(input)),
        Form::Other(name) => {
            bail!("{shown} is compressed by {name}: unpack it first ({name} -d, coredumpctl dump)")
        }
    };
    let directory = directory();
    let room = directory.display().to_string();
    let file = nameless(&directory)
        .with_context(|| format!("cannot unpack {shown} in {room} (TMPDIR names another place)"))?;
    let incomplete = write(&mut source, &file, shown, &room)?;
    Ok(Some(Unpacked { file, incomplete }))
}

/// Where large files go for a while (hier(7)).
fn directory() -> PathBuf {
    let named = std::env::var_os("TMPDIR").filter(|it| !it.is_empty());
    let places = named.map(PathBuf::from).into_iter();
    let mut places = places.chain(["/var/tmp", "/tmp"].map(PathBuf::from));
    places
        .find(|place| place.is_dir())
        .unwrap_or_else(|| PathBuf::from("."))
}

/// A file without a name. Where the file system cannot make one, it has a name for a moment.
fn nameless(directory: &Path) -> io::Result<File> {
    let open = |path: &Path, flags: OFlag| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        if flags.is_empty() {
            options.create_new(true);
        }
        options.custom_flags(flags.bits()).open(path)
    };
    open(directory, OFlag::O_TMPFILE).or_else(|_| {
        let path = directory.join(format!("grtmon-core-{}", std::process::id()));
        let file = open(&path, OFlag::empty())?;
        std::fs::remove_file(&path)?;
        Ok(file)
    })
}

/// Copies a dump as far as its headers say that it goes. Returns why it is not whole, if what it came from ended early.
fn write(source: &mut dyn Read, file: &File, shown: &str, room: &str) -> Result<Option<String>> {
    let mut file = file;
    let mut beginning = Vec::new();
    let mut whole = None;
    let mut buffer = vec![0; PIECE];
    let mut written: u64 = 0;
    let mut broken = None;
    while broken.is_none() && whole.is_none_or(|whole| written < whole) {
        let (len, why) = fill(source, &mut buffer);
        // What came before is good.
        broken = why.map(|why| {
            let end = written + len as u64;
            format!("{shown} cannot be unpacked further than to byte {end} of the core dump: {why}")
        });
        let bytes = buffer.get(..len).unwrap_or_default();
        if whole.is_none() {
            beginning.extend_from_slice(bytes);
            whole = whole_size(&beginning).with_context(|| format!("cannot use {shown}"))?;
            if whole.is_none() && (beginning.len() > MAX_HEADERS || len == 0) {
                bail!("cannot use {shown}: the headers of the core dump in it do not end");
            }
        }
        if len == 0 {
            break;
        }
        let free = fstatvfs(file).map_or(u64::MAX, |it| {
            it.blocks_available().saturating_mul(it.fragment_size())
        });
        if free < RESERVE + len as u64 {
            bail!(
                "no room in {room} to unpack {shown}, which takes up to {} MiB: set TMPDIR to another place",
                whole.unwrap_or(written) >> 20
            );
        }
        sparse(&mut file, bytes).with_context(|| format!("cannot unpack {shown} in {room}"))?;
        written += len as u64;
    }
    // What is zero at the end was left out.
    file.set_len(written.min(whole.unwrap_or(written)))
        .with_context(|| format!("cannot unpack {shown} in {room}"))?;
    Ok(broken)
}

/// Writes what is not zero, and goes on to behind the rest.
fn sparse(file: &mut (impl Write + Seek), bytes: &[u8]) -> io::Result<()> {
    for page in bytes.chunks(PAGE) {
        if page.iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Current(page.len() as i64))?;
        } else {
            file.write_all(page)?;
        }
    }
    Ok(())
}

/// Fills a buffer as far as there is something: how far, and what kept it from going on.
fn fill(source: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return (len, Some(why)),
        }
    }
    (len, None)
}

/// All frames of a zstd file, one after the other (RFC 8878, 3.1).
struct ZstdFrames<R: BufRead> {
    input: R,
    frame: ZstdFrame,
    /// Whether one has begun.
    begun: bool,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.can_collect() > 0 {
                return self.frame.read(buffer);
            }
            if self.begun && !self.frame.is_finished() {
                let some = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.frame.decode_blocks(&mut self.input, some);
                decoded.map_err(io::Error::other)?;
            } else if self.input.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin()?;
            }
        }
    }
}

impl<R: BufRead> ZstdFrames<R> {
    /// Reads the header of the next frame, or skips one that holds something else.
    fn begin(&mut self) -> io::Result<()> {
        match self.frame.reset(&mut self.input) {
            Ok(()) => self.begun = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let skipped = &mut (&mut self.input).take(u64::from(length));
                io::copy(skipped, &mut io::sink())?;
                self.begun = false;
            }
            Err(why) => return Err(io::Error::other(why)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a core dump with one part, and as many bytes of it.
    fn core(claimed: u64, there: usize) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(6, &[1]);
        put(16, &4u16.to_le_bytes());
        put(18, &62u16.to_le_bytes());
        put(20, &1u32.to_le_bytes());
        put(32, &64u64.to_le_bytes());
        put(52, &64u16.to_le_bytes());
        put(54, &56u16.to_le_bytes());
        put(56, &1u16.to_le_bytes());
        put(64, &1u32.to_le_bytes());
        put(72, &120u64.to_le_bytes());
        put(96, &claimed.to_le_bytes());
        put(104, &claimed.to_le_bytes());
        bytes.extend((0..there).map(|at| if at % 16384 < 8192 { 0 } else { at as u8 }));
        bytes
    }

    fn gzip(bytes: &[u8]) -> File {
        let file = tempfile();
        let mut packed = flate2::write::GzEncoder::new(&file, flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap();
        file
    }

    fn tempfile() -> File {
        nameless(&directory()).unwrap()
    }

    fn unpacked(file: &File) -> (Vec<u8>, Option<String>) {
        (&mut &*file).rewind().unwrap();
        let mut unpacked = unpack(file, "c.gz").unwrap().unwrap();
        let mut bytes = Vec::new();
        unpacked.file.rewind().unwrap();
        unpacked.file.read_to_end(&mut bytes).unwrap();
        (bytes, unpacked.incomplete)
    }

    #[test]
    fn what_was_packed_comes_out() {
        let whole = core(3 << 20, 3 << 20);
        assert_eq!(unpacked(&gzip(&whole)), (whole, None));
    }

    #[test]
    fn no_more_is_written_than_the_headers_say() {
        let long = core(1 << 20, 16 << 20);
        let (bytes, incomplete) = unpacked(&gzip(&long));
        assert!(bytes == long[..120 + (1 << 20)] && incomplete.is_none());
        let refused = unpack(&gzip_rewound(&[7; 4096]), "c.gz").unwrap_err();
        assert!(
            format!("{refused:#}").contains("not an ELF file"),
            "{refused:#}"
        );
    }

    #[test]
    fn what_comes_before_a_break_is_kept() {
        let whole = core(8 << 20, 8 << 20);
        let file = gzip(&whole);
        let packed = file.metadata().unwrap().len();
        file.set_len(packed / 2).unwrap();
        let (bytes, incomplete) = unpacked(&file);
        assert!(bytes.len() > 1 << 20 && whole.starts_with(&bytes));
        assert!(incomplete.unwrap().contains("cannot be unpacked further"));
    }

    #[test]
    fn other_files_are_left_alone() {
        let file = tempfile();
        (&file).write_all(&core(0, 0)).unwrap();
        (&mut &file).rewind().unwrap();
        assert!(unpack(&file, "core").unwrap().is_none());
    }

    fn gzip_rewound(bytes: &[u8]) -> File {
        let file = gzip(bytes);
        (&mut &file).rewind().unwrap();
        file
    }
}
