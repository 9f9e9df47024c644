//! The program, as profiles name it.

use super::build_id::build_id;
use crate::go::binary::Binary;
use crate::model::profile::Mapping;

/// The program of that name.
pub fn mapping(name: &str, binary: &Binary) -> Mapping {
    Mapping {
        file: name.to_owned(),
        build_id: build_id(binary),
        text: binary.text(),
    }
}
