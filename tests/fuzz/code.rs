//! Machine code: real functions, damaged, and rubbish.

use std::fs;

use grtmon::go::{
    Binary, Machine, isa::code::Code, isa::dataflow::Dataflow, isa::instruction::Register,
    layout::string_table::StringTable, site::body::Body,
};

use crate::common::{Build, newest, program};
use crate::damage::damage;
use crate::fuzz;

#[test]
fn code() {
    let text = "package main\n\nfunc main() {}\n";
    let mut seeds: Vec<(Machine, Vec<u8>)> = Vec::new();
    let mut images = Vec::new();
    for build in [Build::DEFAULT, Build::ARM64] {
        let file = fs::read(program(newest(), build, "empty", text)).unwrap();
        let binary = Binary::parse(file).unwrap();
        let machine = binary.image().machine();
        let functions = binary.functions();
        let runtime = functions
            .iter()
            .filter(|it| it.name.starts_with("runtime."));
        let code = runtime.filter_map(|it| it.code(binary.image()));
        seeds.extend(code.take(500).map(|code| (machine, code.to_vec())));
        images.push(binary);
    }
    fuzz("code", 64 << 20, |random| {
        let (machine, code) = random.of(&seeds);
        let mut code = code.clone();
        match random.below(4) {
            0 => code.iter_mut().for_each(|byte| *byte = random.next() as u8),
            _ => damage(&mut code, &[], random),
        }
        let entry = match random.below(3) {
            0 => random.odd(),
            _ => 0x40_1000,
        };
        let code = Code::decode(*machine, &code, entry);
        let count = code.instructions().len();
        let binary = images
            .iter()
            .find(|it| it.image().machine() == *machine)
            .unwrap();
        let body = Body::new(binary.image(), "fuzzed", code.clone());
        let callee = code.calls().next().map_or(entry, |(_, callee)| callee);
        let _ = (body.function_site(), body.framed_site());
        let _ = (body.call_sites(&[callee], "it"), body.before_return());
        let _ = (
            body.branches_after_call(&[callee], "it"),
            body.branch_on_global(|_| true),
        );
        let _ = (body.return_sites(), body.saved_arguments());
        let _ = code.jumped_to(0..count);
        let end = entry.saturating_add(64);
        let keeping = [entry..end, end..end];
        let mut dataflow = Dataflow::new(&code, &keeping);
        for _ in 0..4 {
            let at = random.below(count + 1);
            let _ = dataflow.origins(Register::FIRST, at);
            let _ = (code.is_emulated(at), code.refused(at).is_some());
        }
        let table = StringTable {
            address: random.odd(),
            len: random.odd(),
        };
        let _ = table.names(binary.image());
        count > 1
    });
}
