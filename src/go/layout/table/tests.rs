use super::*;

use crate::go::layout::nearness::Nearness;
use crate::go::version::GoVersion;

const SAMPLE: &str = "\
# a comment
[amd64]
measured 1.19.8 1.21.13 1.23.1 1.23.5 1.23.9 1.25.0 1.25.5
g.goid: 1.19.8 152, 1.23.1 160, 1.25.0 152
g.coroarg: 1.19.8 -, 1.23.1 384
workType.cycles: 1.19.8 344, 1.21.13 400, 1.23.5 424, 1.25.0 512
m.procid: 1.19.8 72, 1.21.13 ?, 1.23.1 72
[amd64 greenteagc]
measured 1.25.0 1.25.5
workType.cycles: 1.25.0 608
[amd64 arenas]
measured 1.25.5
g.goid: 1.25.5 ?
[amd64 other]
measured 1.23.9 1.25.5
workType.cycles: 1.23.9 1, 1.25.5 =
m.procid: 1.25.5 80
[arm64]
measured 1.25.5
workType.cycles: 1.25.5 640
";

fn look_up(version: &str, field: Field) -> Result<(Cell, String), String> {
    on("amd64", version, field)
}

fn on(machine: &str, version: &str, field: Field) -> Result<(Cell, String), String> {
    let table = Table::parse(SAMPLE).unwrap();
    let version = GoVersion::parse(version).unwrap();
    let (cell, near) = table.look_up(machine, &version, field)?;
    Ok((cell, near.to_string()))
}

fn number(value: u32, how: &str) -> Result<(Cell, String), String> {
    Ok((Cell::Number(value), how.to_owned()))
}

#[test]
fn measured_versions_are_known() {
    let how = "from grtmon's table, measured with go1.23.5";
    assert_eq!(look_up("go1.23.5", Field::GGoid), number(160, how));
    let absent = look_up("go1.21.13", Field::GCoroarg).unwrap();
    assert_eq!(absent.0, Cell::Absent);
}

#[test]
fn what_was_not_measured_with_an_experiment_is_assumed() {
    let table = Table::parse(SAMPLE).unwrap();
    let version = GoVersion::parse("go1.25.5 X:arenas").unwrap();
    let near = |field| table.look_up("amd64", &version, field).unwrap().1;
    assert_eq!(near(Field::GGoid), Nearness::Without((25, 5)));
    assert_eq!(near(Field::GCoroarg), Nearness::Measured((25, 5)));
}

#[test]
fn between_two_that_agree_is_known_and_between_two_that_differ_is_not() {
    let how = "from grtmon's table, the same in go1.23.5 and go1.23.9";
    assert_eq!(look_up("go1.23.7", Field::WorkCycles), number(424, how));
    let why = "it moved somewhere between go1.23.1 and go1.23.5";
    assert_eq!(look_up("go1.23.3", Field::WorkCycles), Err(why.to_owned()));
}

#[test]
fn beyond_the_measured_patches_is_assumed() {
    let how = "assumed as of go1.25.5";
    assert_eq!(look_up("go1.25.6", Field::WorkCycles), number(512, how));
    let how = "assumed as of go1.21.13";
    assert_eq!(look_up("go1.21.0", Field::WorkCycles), number(400, how));
    let how = "assumed as of go1.25.0";
    assert_eq!(look_up("go1.25rc1", Field::WorkCycles), number(512, how));
}

#[test]
fn an_unmeasured_minor_is_assumed_only_if_its_neighbours_agree() {
    let how = "assumed, as go1.19.8 and go1.21.13 agree";
    assert_eq!(look_up("go1.20.4", Field::GGoid), number(152, how));
    let why = "it moved somewhere between go1.19.8 and go1.21.13";
    assert_eq!(look_up("go1.20.4", Field::WorkCycles), Err(why.to_owned()));
    let how = "assumed as of go1.25.5, the newest that was measured";
    assert_eq!(look_up("go1.28.0", Field::GGoid), number(152, how));
    let why = "Go 1.18 is older than the oldest that was measured, go1.19.8";
    assert_eq!(look_up("go1.18.1", Field::GGoid), Err(why.to_owned()));
}

#[test]
fn an_experiment_counts_where_it_moves_something() {
    let exact = "from grtmon's table, measured with go1.25.5";
    let of = |text, field| look_up(text, field);
    assert_eq!(
        of("go1.25.5 X:greenteagc", Field::WorkCycles),
        number(608, exact)
    );
    assert_eq!(
        of("go1.25.5 X:greenteagc", Field::GGoid),
        number(152, exact)
    );
    assert_eq!(
        of("go1.25.5-X:arenas", Field::WorkCycles),
        number(512, exact)
    );
    let between = "from grtmon's table, the same in go1.25.0 and go1.25.5";
    assert_eq!(
        of("go1.25.1 X:greenteagc", Field::WorkCycles),
        number(608, between)
    );
    assert_eq!(
        of("go1.25.5 X:other", Field::WorkCycles),
        number(512, exact)
    );
    let without = "assumed as of go1.25.5 without an experiment that was not measured";
    assert_eq!(
        of("go1.25.5 X:surprise", Field::GGoid),
        number(152, without)
    );
    assert_eq!(
        of("go1.25.5 X:greenteagc,surprise", Field::WorkCycles),
        number(608, without)
    );
    assert!(of("go1.23.9 X:greenteagc", Field::GGoid).is_ok());
}

#[test]
fn experiments_together_are_assumed_to_move_what_they_move_alone() {
    let how = "assumed as of go1.25.5, whose experiments were measured one by one";
    assert_eq!(
        look_up("go1.25.5 X:greenteagc,arenas", Field::WorkCycles),
        number(608, how)
    );
    assert_eq!(
        look_up("go1.25.5 X:greenteagc,other", Field::MProcid),
        number(80, how)
    );
}

#[test]
fn a_range_of_versions_has_what_all_of_them_share() {
    let table = Table::parse(SAMPLE).unwrap();
    let range =
        |(oldest, newest), field| table.look_up_range("amd64", (oldest, Some(newest)), field);
    let agree = Nearness::Bridged((23, 1), (23, 9));
    assert_eq!(
        range((23, 23), Field::GGoid),
        Ok((Cell::Number(160), agree))
    );
    assert!(range((23, 23), Field::WorkCycles).is_err());
    assert!(range((23, 25), Field::GGoid).is_err());
    assert!(range((99, 99), Field::GGoid).is_err());
    let open = |oldest| table.look_up_range("amd64", (oldest, None), Field::GGoid);
    let newer = (Cell::Number(152), Nearness::Newer((25, 5)));
    assert_eq!(open(25), Ok(newer.clone()));
    assert_eq!(open(28), Ok(newer));
    assert!(open(23).is_err());
}

#[test]
fn what_was_not_measured_is_passed_over() {
    let how = "assumed, as go1.19.8 and go1.23.1 agree";
    assert_eq!(look_up("go1.21.13", Field::MProcid), number(72, how));
    assert_eq!(
        look_up("go1.25.5", Field::PId),
        Err("it was not measured".to_owned())
    );
}

#[test]
fn another_processor_is_a_difference_to_the_first() {
    let how = "from grtmon's table, measured with go1.25.5";
    assert_eq!(on("arm64", "go1.25.5", Field::WorkCycles), number(640, how));
    assert_eq!(on("arm64", "go1.25.5", Field::GGoid), number(152, how));
    assert!(on("arm64", "go1.24.5", Field::GGoid).is_err());
    assert!(on("riscv64", "go1.25.5", Field::GGoid).is_err());
}

#[test]
fn the_embedded_table_is_whole() {
    let table = Table::parse(include_str!("../table.txt")).unwrap();
    let measured = table.sections.iter().flat_map(|section| &section.measured);
    let newest = measured.map(|(minor, _)| *minor).max();
    assert_eq!(newest, Some(crate::go::versions::NEWEST_TESTED));
    for section in &table.sections {
        assert!(section.measured.is_sorted(), "{:?}", section.measured);
        for field in Field::ALL {
            let row = section.rows().of(*field).unwrap_or_default();
            assert!(row.is_sorted_by_key(|(from, _)| *from), "{field:?}");
        }
    }
}

/// Every line counts, wherever it stands: that the next field is expected next is for speed only.
#[test]
fn lines_are_read_in_any_order() {
    let lines = [
        "g.goid: 1.24.3 160",
        "m.gone: 1.24.3 8",
        "g.m: 1.24.3 48",
        "",
    ];
    let orders = [[0, 1, 2, 3], [2, 0, 1, 3], [1, 2, 3, 0], [3, 2, 1, 0]];
    for order in orders {
        let lines = order.map(|at| lines[at]).join("\n");
        let text = format!(
            "# a note\n\n[amd64]\nmeasured 1.24.3\n{lines}\n[arm64]\nmeasured 1.24.3\ng.m: 1.24.3 56"
        );
        let table = Table::parse(&text).unwrap();
        let cell = |machine, field| table.cell(machine, None, (24, 3), field);
        assert_eq!(
            cell("amd64", Field::GGoid),
            Some(Cell::Number(160)),
            "{text}"
        );
        assert_eq!(cell("amd64", Field::GM), Some(Cell::Number(48)), "{text}");
        assert_eq!(cell("arm64", Field::GM), Some(Cell::Number(56)), "{text}");
        assert_eq!(
            cell("arm64", Field::GGoid),
            Some(Cell::Number(160)),
            "{text}"
        );
        assert_eq!(cell("amd64", Field::MP), Some(Cell::Unmeasured), "{text}");
    }
    assert!(Table::parse("g.goid: 1.24.3 160\n[amd64]").is_err());
    assert!(Table::parse("[amd64]\ng.goid 160").is_err());
}
