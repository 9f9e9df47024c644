//! What a file is that is no Go program, or none of Go's own compiler: so that people are told what they have before
//! them, and what to do. What its first bytes tell is found out here, what a program tells in `runtimes.rs`.

use std::fmt;

use goblin::elf::header;

/// A program that is, or may be, written in Go and that nothing can be seen of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Compiled by gccgo: its runtime is libgo.
    Gccgo,
    /// Compiled by TinyGo, which has a runtime of its own.
    TinyGo,
    /// Packed by UPX: what it holds unpacks itself when it is run.
    Packed,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gccgo => {
                "built by gccgo, whose runtime (libgo) is not the one that grtmon knows: build it with go build"
            }
            Self::TinyGo => {
                "built by TinyGo, whose runtime is not the one that grtmon knows: build it with go build"
            }
            Self::Packed => {
                "packed by UPX, so that no code can be seen in the file: unpack it (upx -d) and run that"
            }
        })
    }
}

/// What a file is that does not begin like a program of this system, as far as its first bytes tell.
pub(in crate::go) fn form(file: &[u8]) -> Option<&'static str> {
    const FORMS: [(&[u8], &str); 16] = [
        (
            b"#!",
            "a script: name the Go program that it runs, or start it by -- SCRIPT",
        ),
        (
            b"!<arch>\n",
            "an archive of compiled code (.a): name the program that it was linked into",
        ),
        (
            b"\0go120ld",
            "a Go object file: name the program that it was linked into",
        ),
        (b"MZ", "a program for Windows"),
        (b"\xcf\xfa\xed\xfe", "a program for macOS"),
        (b"\xce\xfa\xed\xfe", "a program for macOS"),
        (b"\xca\xfe\xba\xbe", "a program for macOS (or a Java class)"),
        (b"\0asm", "a WebAssembly module"),
        (b"\0\0\x8a\x97", "a program for Plan 9"),
        (b"\x01\xf7", "a program for AIX"),
        (b"\x1f\x8b", "compressed by gzip: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
        (b"\xfd7zXZ\0", "compressed by xz: unpack it first"),
        (b"BZh", "compressed by bzip2: unpack it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (
            b"package ",
            "the source of a Go program: build it first (go build)",
        ),
    ];
    if file.is_empty() {
        return Some("it is empty");
    }
    if file.get(257..262) == Some(b"ustar") {
        return Some("a tar archive: unpack it first");
    }
    let mut forms = FORMS.iter();
    if let Some((_, what)) = forms.find(|(start, _)| file.starts_with(start)) {
        return Some(what);
    }
    let beginning = file.get(..512).unwrap_or(file);
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    (beginning.iter().all(is_text)).then_some("a text file")
}

/// The system that an ELF file is for, if it says another one than Linux (`EI_OSABI`, which Go's linker sets:
/// cmd/link/internal/ld/elf.go).
pub(in crate::go) fn system(file: &[u8]) -> Option<&'static str> {
    match *file.get(header::EI_OSABI)? {
        header::ELFOSABI_NETBSD => Some("NetBSD"),
        header::ELFOSABI_SOLARIS => Some("Solaris"),
        header::ELFOSABI_FREEBSD => Some("FreeBSD"),
        header::ELFOSABI_OPENBSD => Some("OpenBSD"),
        _ => None,
    }
}

/// How a machine of 32 bits is called in Go, by the first bytes of a file.
pub(in crate::go) fn narrow(file: &[u8]) -> &'static str {
    let number = file.get(18..20).and_then(|it| it.try_into().ok());
    match number.map_or(0, u16::from_le_bytes) {
        header::EM_386 => "386",
        header::EM_ARM => "arm",
        // For 32 bits the x86-64 has an interface, too (x32).
        header::EM_X86_64 => "x32",
        header::EM_MIPS => "mipsle",
        other if other.swap_bytes() == header::EM_MIPS => "mips",
        _ => "another processor",
    }
}

/// What to build for instead of a machine of 32 bits, in Go's words.
pub(in crate::go) fn widened(name: &str) -> Option<&'static str> {
    match name {
        "386" | "x32" => Some("amd64"),
        "arm" => Some("arm64"),
        _ => None,
    }
}
