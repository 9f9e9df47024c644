//! Made-up data for tests of those who show it.

use super::*;

pub(crate) fn mapping() -> Mapping {
    Mapping {
        file: "server".to_owned(),
        build_id: Some("abc".to_owned()),
        text: 0x40_0000..0x50_0000,
    }
}

/// Of memory: two functions that allocate, one of them inlined into the other's caller too.
pub(crate) fn heap() -> Profile {
    let of = |name, unit| ValueType { name, unit };
    let types = vec![of("inuse_objects", COUNT), of("inuse_space", BYTES)];
    let period = (of("space", BYTES), 524_288);
    let mut profile = Profile::new("heap", types, period, mapping());
    let mut line = |name: &str, line| Line {
        function: profile.function(name, "/src/main.go"),
        line,
    };
    let (leaf, inner) = (line("main.leaf", 10), line("main.inner", 20));
    let (work, main) = (line("main.work", 30), line("main.main", 40));
    let a = profile.location(0x40_1000, vec![leaf]);
    let b = profile.location(0x40_2000, vec![inner, work]);
    let c = profile.location(0x40_3000, vec![main]);
    for (stack, values, bytes) in [
        (vec![a, b, c], vec![3, 3000], 1000),
        (vec![b, c], vec![10, 1000], 100),
    ] {
        let labels = vec![Label {
            key: "bytes".into(),
            value: LabelValue::Number(bytes),
        }];
        profile.add(Sample {
            stack,
            values,
            labels,
        });
    }
    profile
}
