//! What a program is that has no Go function table, by the runtime of others that is in it.

use super::image::Image;
use super::stranger::Stranger;

/// What only the linker of gccgo makes; it survives strip(1). (gcc/go/gospec.cc, libgo/Makefile.am)
const GCCGO_SECTION: &str = ".go_export";

/// Texts in the runtimes of others, in two halves, the second one first: else grtmon itself would hold them, and take
/// itself for such a program. libgo/runtime/runtime.h (`__go_assert`) with gccgo 8 to 14; src/runtime/panic.go with
/// TinyGo 0.20 to 0.33.
const TEXTS: [(Stranger, [[&str; 2]; 2]); 3] = [
    (
        Stranger::Gccgo,
        [
            ["assertion failure", ": libgo "],
            ["call.c", "libgo/runtime/go-reflect-"],
        ],
    ),
    (
        Stranger::TinyGo,
        [
            ["error at ", "panic: runtime "],
            ["than array", "slice smaller "],
        ],
    ),
    (
        Stranger::TinyGo,
        [
            ["error: ", "panic: runtime "],
            ["than array", "slice smaller "],
        ],
    ),
];

/// Where UPX has left its mark: behind the program headers (src/stub/src/include/header.S, `l_info`).
const MARK: &[u8] = b"UPX!";
const MARKED: usize = 1024;

/// What a program is that has no Go function table.
pub(in crate::go) fn of(image: &Image) -> Option<Stranger> {
    let beginning = image.bytes().get(..MARKED).unwrap_or(image.bytes());
    if memchr::memmem::find(beginning, MARK).is_some() {
        return Some(Stranger::Packed);
    }
    if image.section(GCCGO_SECTION).is_some() || names(image, b"libgo.so.") {
        return Some(Stranger::Gccgo);
    }
    if names(image, b"tinygo_startTask") || names(image, b"tinygo_scanCurrentStack") {
        return Some(Stranger::TinyGo);
    }
    let holds = |[end, start]: &[&str; 2]| {
        let text = [*start, *end].concat();
        let mut data = image.segments().iter().filter(|it| it.read);
        data.any(|segment| image.holds(segment, text.as_bytes()))
    };
    let mut texts = TEXTS.iter();
    let (found, _) = texts.find(|(_, texts)| texts.iter().all(holds))?;
    Some(*found)
}

/// Whether symbols, or needed libraries, have names with this in them.
fn names(image: &Image, wanted: &[u8]) -> bool {
    [".dynstr", ".strtab"].iter().any(|section| {
        let names = image.section(section).and_then(|it| image.raw_section(it));
        names.is_some_and(|names| memchr::memmem::find(names, wanted).is_some())
    })
}
