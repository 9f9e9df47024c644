//! Files from which something is missing.

use std::fs;

use grtmon::go::{Binary, VersionRange, VersionSource};

use crate::{
    edit::{replaced, without_sections},
    functions::table,
    oracles_of_all_machines, parse,
};

/// The same is read without section headers, with other section names, without build information, and without any
/// trace of the version.
#[test]
fn nothing_depends_on_sections_or_build_information() {
    for (toolchain, build, path) in oracles_of_all_machines() {
        let whole = parse(&path);
        let file = fs::read(&path).unwrap();
        let label = |what: &str| format!("{} {what}", path.display());
        let same = |binary: &Binary, what: &str| {
            assert_eq!(table(binary), table(&whole), "{}", label(what));
            assert_eq!(
                (binary.text(), binary.moduledata()),
                (whole.text(), whole.moduledata()),
                "{}",
                label(what)
            );
            let pc = whole.functions().by_name("main.main")[0].end - 1;
            for pc in (whole.text().start..pc).step_by(9973) {
                assert_eq!(
                    binary.functions().frames(pc),
                    whole.functions().frames(pc),
                    "{}",
                    label(what)
                );
            }
        };
        assert!(
            whole.moduledata().is_some_and(|m| m.gofunc.is_some()),
            "{}",
            label("moduledata")
        );

        let no_sections = Binary::parse(without_sections(file.clone())).unwrap();
        same(&no_sections, "without sections");
        assert_eq!(
            no_sections.build_info(),
            whole.build_info(),
            "{}",
            label("without sections")
        );
        assert!(no_sections.image().sections().is_empty());

        // gcc gives a position-independent program no such section before Go 1.26.
        if memchr::memmem::find(&file, b".gopclntab\0").is_some() {
            let renamed = replaced(file.clone(), b".gopclntab\0", b".xyzclntab\0");
            same(&Binary::parse(renamed).unwrap(), "with renamed sections");
        }

        let blind = replaced(file.clone(), b"\xff Go buildinf:", b"\xff xx xxxxxxxx:");
        let unsaid = Binary::parse(blind.clone()).unwrap();
        same(&unsaid, "without build information");
        assert_eq!(
            *unsaid.version_source(),
            VersionSource::Variable,
            "{}",
            label("without build information")
        );
        assert_eq!(unsaid.version(), whole.version());
        assert_eq!(
            unsaid.build_info(),
            whole.build_info(),
            "{}",
            label("without build information")
        );

        let version = format!("go{}", toolchain.version);
        let nowhere = replaced(blind, version.as_bytes(), &vec![b'x'; version.len()]);
        let implied = Binary::parse(nowhere).unwrap();
        assert_eq!(implied.version(), None);
        let minor = u16::try_from(toolchain.minor()).unwrap();
        let range = implied.version_range();
        assert!(
            range == VersionRange::only(minor)
                || (minor >= 27
                    && range
                        == VersionRange {
                            oldest: 27,
                            newest: None
                        }),
            "{}: {:?}",
            path.display(),
            implied.version_source()
        );
        assert!(build.strip || whole.image().section(".symtab").is_some());
    }
}
