//! Profiles that others wrote, to be compared with.

use std::io::Read;

use flate2::read::GzDecoder;
use grtmon::model::profile::{
    BYTES, COUNT, Label, LabelValue, Line, Mapping, Profile, Sample, ValueType,
};
use grtmon::render::pprof;

use crate::damage::damage;
use crate::fuzz;

fn whole() -> Profile {
    let types = [("objects", COUNT), ("space", BYTES)].map(|(name, unit)| ValueType { name, unit });
    let mapping = Mapping {
        file: "server".to_owned(),
        build_id: Some("abc".to_owned()),
        text: 0x40_0000..0x50_0000,
    };
    let mut profile = Profile::new("heap", types.to_vec(), (types[1], 512), mapping);
    profile.notes.push("a note".to_owned());
    for number in 0..40_u32 {
        let stack = (0..number % 9 + 1).map(|depth| {
            let function = profile.function(&format!("main.f{}", depth * number % 11), "main.go");
            let line = Line { function, line: 7 };
            profile.location(
                u64::from(0x40_0000 + depth),
                vec![line; 1 + number as usize % 2],
            )
        });
        let stack = stack.collect();
        profile.add(Sample {
            stack,
            values: vec![1, u64::from(number) << 30],
            labels: vec![Label {
                key: "state".into(),
                value: LabelValue::Text("waits".to_owned()),
            }],
        });
    }
    profile
}

#[test]
fn profiles() {
    let profile = whole();
    let packed = pprof::encode(&profile).unwrap();
    let mut plain = Vec::new();
    GzDecoder::new(&*packed).read_to_end(&mut plain).unwrap();
    let read = pprof::decode(&plain, &profile.types).unwrap();
    assert_eq!(read.samples(), profile.samples());
    let (tried, well) = fuzz("profiles", 32 << 20, |random| {
        let is_packed = random.below(8) == 0;
        let mut bytes = if is_packed {
            packed.clone()
        } else {
            plain.clone()
        };
        damage(&mut bytes, &[], random);
        pprof::decode(&bytes, &profile.types).is_ok()
    });
    assert!(well > 0 && well < tried);
}
