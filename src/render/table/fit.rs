//! Which columns of a table are there, and how wide: chosen once, by the room that there is.
//!
//! A terminal gets whole columns within its width, and is told which ones it is too narrow for. A file or a pipe gets all
//! of them, as wide as they want to be, and a name that is longer loses its beginning there too, so that what follows
//! stays in its column. Who asks for all (`--wide`) gets all, and nothing is cut.

use crate::render::style::Style;
use crate::render::time_of_day;

/// Spaces before the first column, as in the original.
pub const INDENT: usize = 3;

/// The column of times of day.
pub const TIME_OF_DAY: Column = Column::new("TIME(UTC)", time_of_day::WIDTH);

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    width: usize,
    least: usize,
    rank: u8,
}

impl Column {
    /// Its heading, units included, and the columns of the terminal that it takes, without the space that follows. It is
    /// as wide everywhere.
    pub const fn new(heading: &'static str, width: usize) -> Self {
        Self {
            heading,
            width,
            least: width,
            rank: 0,
        }
    }

    /// On a terminal that is narrow it makes do with this.
    pub const fn least(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// What is to be there rather than what: where there is no room for all, the highest ranks go first.
    pub const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// Columns as they are drawn.
#[derive(Debug, Clone)]
pub struct Fit {
    pub(super) places: Vec<ColumnFit>,
    pub(super) style: Style,
    /// Where the line ends.
    pub(super) end: usize,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnFit {
    heading: &'static str,
    pub(super) width: usize,
    pub(super) is_shown: bool,
    /// Nothing follows it that would have to keep its place.
    pub(super) is_last: bool,
}

impl Fit {
    /// Chooses.
    pub fn of(columns: impl IntoIterator<Item = Column>, style: Style) -> Self {
        let columns: Vec<Column> = columns.into_iter().collect();
        let room = style.width.map(|width| width.saturating_sub(INDENT).max(1));
        let mut places: Vec<ColumnFit> = columns
            .iter()
            .map(|column| ColumnFit {
                heading: column.heading,
                width: column.width,
                is_shown: room.is_none(),
                is_last: false,
            })
            .collect();
        if let Some(room) = room {
            choose(&mut places, &columns, room);
        }
        if let Some(last) = places.iter_mut().rfind(|place| place.is_shown) {
            last.is_last = true;
        }
        Self {
            places,
            style,
            end: style
                .width
                .map_or(usize::MAX, |width| width.max(INDENT + 1)),
        }
    }

    /// Whether rows begin with the time of day.
    pub(in crate::render) fn is_timed(&self) -> bool {
        let first = self.places.first();
        first.is_some_and(|place| place.heading == TIME_OF_DAY.heading)
    }

    /// What there is no room for, in words; `None` if all is there.
    pub fn left_out(&self) -> Option<String> {
        let width = self.style.width?;
        let gone = self.places.iter().filter(|place| !place.is_shown);
        let gone: Vec<&str> = gone.map(|place| self.word(place)).collect();
        let them = if gone.len() == 1 { "it" } else { "them" };
        (!gone.is_empty()).then(|| {
            format!(
                "{width} columns are too few for {}: --wide shows {them}",
                gone.join(", ")
            )
        })
    }

    /// How much the last column can show; `None`: everything.
    pub(in crate::render) fn last_room(&self) -> Option<usize> {
        let before = self.places.iter().filter(|it| it.is_shown && !it.is_last);
        let begins: usize = INDENT + before.map(|place| place.width + 1).sum::<usize>();
        self.style.width?;
        Some(self.end.saturating_sub(begins))
    }

    /// Durations for people carry their units themselves.
    pub(super) fn word(&self, place: &ColumnFit) -> &'static str {
        match self.style.human {
            true => place.heading.trim_end_matches("(ns)"),
            false => place.heading,
        }
    }
}

/// Takes what has room, the lowest ranks first, as narrow as may be; then what is left is given away from left to right.
fn choose(places: &mut [ColumnFit], columns: &[Column], room: usize) {
    let mut by_rank: Vec<usize> = (0..columns.len()).collect();
    by_rank.sort_by_key(|index| columns.get(*index).map(|column| column.rank));
    let mut left = room;
    let mut is_first = true;
    for index in by_rank {
        let (Some(place), Some(column)) = (places.get_mut(index), columns.get(index)) else {
            continue;
        };
        let least = match is_first {
            true => column.least.min(room),
            false => column.least,
        };
        let needed = least + usize::from(!is_first);
        if needed <= left {
            (place.is_shown, place.width) = (true, least);
            left -= needed;
            is_first = false;
        }
    }
    for (place, column) in places.iter_mut().zip(columns) {
        let more = column.width.saturating_sub(place.width).min(left);
        if place.is_shown {
            place.width += more;
            left -= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::new("FN", 20).least(10),
        Column::new("GOID", 4),
        Column::new("WAIT(ns)", 8).rank(2),
        Column::new("CREATED AT", 12).least(10).rank(1),
    ];

    fn fit(width: usize) -> Fit {
        let style = Style {
            width: Some(width),
            ..Style::PLAIN
        };
        Fit::of(COLUMNS, style)
    }

    fn widths(fit: &Fit) -> Vec<Option<usize>> {
        let places = fit.places.iter();
        places.map(|it| it.is_shown.then_some(it.width)).collect()
    }

    #[test]
    fn the_highest_rank_goes_first() {
        assert_eq!(widths(&fit(38)), [Some(10), Some(4), Some(8), Some(10)]);
        assert_eq!(widths(&fit(37)), [Some(18), Some(4), None, Some(10)]);
        assert_eq!(widths(&fit(28)), [Some(11), Some(4), Some(8), None]);
        assert_eq!(widths(&fit(26)), [Some(18), Some(4), None, None]);
        assert_eq!(widths(&fit(8)), [Some(5), None, None, None]);
        assert_eq!(widths(&fit(200)), [Some(20), Some(4), Some(8), Some(12)]);
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(fit(38).left_out(), None);
        assert_eq!(
            fit(37).left_out().unwrap(),
            "37 columns are too few for WAIT(ns): --wide shows it"
        );
        let mut narrow = fit(26);
        narrow.style.human = true;
        assert_eq!(
            narrow.left_out().unwrap(),
            "26 columns are too few for WAIT, CREATED AT: --wide shows them"
        );
        assert_eq!(Fit::of(COLUMNS, Style::PLAIN).left_out(), None);
    }

    #[test]
    fn the_last_one_has_what_is_left() {
        assert_eq!(fit(60).last_room(), Some(60 - 3 - 21 - 5 - 9));
        assert_eq!(Fit::of(COLUMNS, Style::PLAIN).last_room(), None);
    }
}
