//! What those functions say of a binary that are asked first, held against what all say.

use grtmon::go::{
    RuntimeInfo,
    layout::{Fact, Field, Layout, Origin, evidence::derive, globals::Globals},
    site::runtime_functions::Runtime,
};

use crate::common::{Build, binary, fixture, toolchains};

#[test]
fn those_who_are_asked_first_say_what_all_say() {
    for toolchain in toolchains() {
        let binary = binary(&fixture(toolchain, Build::STRIPPED));
        let runtime = Runtime::of(&binary);
        let measured = Layout::of(&binary);
        let all = derive(&runtime, &Globals::of(&runtime), &measured);
        let layout = RuntimeInfo::of(&binary).layout;
        let (mut witnesses, mut all_witnesses) = (0, 0);
        for field in Field::ALL {
            let said = all.get(field);
            let said = said.filter(|_| measured.offset(*field).is_some());
            let confirmed = match layout.fact(*field) {
                Fact::Known(offset, Origin::Code) => Some(*offset),
                _ => None,
            };
            let what = format!("Go {}: {field}", toolchain.version);
            assert_eq!(confirmed, said.map(|said| said.offset), "{what}");
            all_witnesses += said.map_or(0, |said| said.functions);
            let trace = layout.trace(*field).and_then(|it| it.said.as_ref());
            witnesses += trace.map_or(0, |said| said.functions);
        }
        assert!(
            witnesses < all_witnesses,
            "Go {}: {witnesses} of {all_witnesses}",
            toolchain.version
        );
    }
}
