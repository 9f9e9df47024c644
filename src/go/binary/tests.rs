//! What is read from a hand-made file.

use crate::go::binary::synthetic::{BASE, MODULEDATA, PCLNTAB, Pointers, Synthetic, TEXT};
use crate::go::{Binary, Frame, GoError, Image};

fn all() -> impl Iterator<Item = Synthetic> {
    let rela = |sorted| Pointers::Rela { sorted };
    let pointers = [Pointers::InPlace, rela(true), rela(false), Pointers::Symbol];
    let one = move |pointers| {
        let magics = [0xffff_fff0, 0xffff_fff1];
        magics.into_iter().flat_map(move |magic| {
            let both = [true, false].into_iter();
            both.map(move |sections| Synthetic {
                magic,
                pointers,
                sections,
                ..Synthetic::default()
            })
        })
    };
    pointers.into_iter().flat_map(one)
}

#[test]
fn functions_lines_and_inlining() {
    for kind in all() {
        let binary = Binary::parse(kind.build()).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        let functions = binary.functions();
        let listed: Vec<_> = functions
            .iter()
            .map(|f| (f.name, f.entry - TEXT, f.end - TEXT))
            .collect();
        assert_eq!(
            listed,
            [
                ("main.main", 0, 64),
                ("main.twice", 64, 96),
                ("main.twice", 96, 128)
            ],
            "{kind:?}"
        );
        assert_eq!(functions.by_name("main.twice").len(), 2);
        assert!(functions.by_name("main.inlined").is_empty());
        assert_eq!(functions.at(TEXT + 95).unwrap().entry, TEXT + 64);
        assert!(functions.at(TEXT + 128).is_none() && functions.at(TEXT - 1).is_none());

        let line = |pc| functions.line(pc).map(|l| (l.file, l.line));
        assert_eq!(
            [line(TEXT), line(TEXT + 20), line(TEXT + 64)],
            [Some(("a.go", 10)), Some(("a.go", 20)), Some(("b.go", 7))]
        );
        let frame = |function, line, inlined| Frame {
            function,
            file: "a.go",
            line,
            start_line: match (kind.magic, inlined) {
                (0xffff_fff1, false) => 1,
                (0xffff_fff1, true) => 5,
                _ => 0,
            },
            inlined,
            id: 0,
        };
        let inlined = [
            frame("main.inlined", 20, true),
            frame("main.main", 12, false),
        ];
        assert_eq!(functions.frames(TEXT + 20), inlined, "{kind:?}");
        assert_eq!(functions.frames(TEXT + 40), [frame("main.main", 11, false)]);
        assert_eq!(binary.text(), TEXT..TEXT + 128);
        assert_eq!(binary.moduledata().unwrap().vaddr, MODULEDATA);
    }
}

#[test]
fn text_start_in_the_header_will_do() {
    let kind = Synthetic {
        moduledata: false,
        text_start: true,
        ..Synthetic::default()
    };
    let binary = Binary::parse(kind.build()).unwrap();
    assert_eq!(
        (binary.text(), binary.moduledata()),
        (TEXT..TEXT + 128, None)
    );
    // Without module data inlining is unknown, the rest is not.
    assert_eq!(
        binary.functions().frames(TEXT + 20)[0].function,
        "main.main"
    );
    let nowhere = Synthetic {
        moduledata: false,
        ..Synthetic::default()
    };
    assert!(matches!(
        Binary::parse(nowhere.build()),
        Err(GoError::Corrupt(_))
    ));
}

#[test]
fn a_table_that_is_only_data_is_passed_over() {
    let mut file = Synthetic {
        sections: false,
        ..Synthetic::default()
    }
    .build();
    // A copy of the table before the table itself, with nothing that points to it.
    file.copy_within(0x2000..0x2700, 0x800);
    assert_eq!(Binary::parse(file).unwrap().text().start, TEXT);
}

#[test]
fn pointers_are_found_where_they_are() {
    for kind in all() {
        let image = Image::parse(kind.build()).unwrap();
        assert_eq!(image.pointer(MODULEDATA), Some(PCLNTAB), "{kind:?}");
        assert_eq!(
            image.pointers_to(TEXT + 128),
            [MODULEDATA + 184],
            "{kind:?}"
        );
        assert_eq!(image.pointer(MODULEDATA + 16), Some(0));
        assert_eq!(image.pointer(BASE + 0x4ffd), None);
    }
}

#[test]
fn addresses_outside_are_nowhere() {
    let image = Image::parse(Synthetic::default().build()).unwrap();
    assert_eq!(image.file_offset(TEXT + 5), Some(0x1005));
    assert_eq!(image.slice(TEXT + 0xff0, 16).map(<[u8]>::len), Some(16));
    assert_eq!(image.slice(TEXT + 0xff0, 17), None, "not across segments");
    for vaddr in [0, BASE - 1, BASE + 0x4000, u64::MAX] {
        assert_eq!(
            (
                image.file_offset(vaddr),
                image.slice(vaddr, 1),
                image.pointer(vaddr)
            ),
            (None, None, None)
        );
    }
}

#[test]
fn every_short_file_is_refused() {
    let file = Synthetic::default().build();
    for size in (0..file.len()).step_by(7) {
        let result = Binary::parse(file[..size].to_vec());
        // Behind the segments there are only section headers.
        assert_eq!(result.is_ok(), size >= 0x4000, "{size}");
    }
}
