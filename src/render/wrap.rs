//! Lines for people that are longer than the terminal is wide.

use super::table::columns;

/// Cuts a line at spaces into pieces of at most `room` columns; a word longer than that stays whole.
pub fn wrap(line: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while columns(rest) > room {
        let mut used = 0;
        let limit = rest.char_indices().find(|(_, c)| {
            used += columns(c.encode_utf8(&mut [0; 4]));
            used > room
        });
        let limit = limit.map_or(rest.len(), |(index, _)| index);
        let (head, tail) = rest.split_at(limit);
        let cut = match (tail.starts_with(' '), head.rfind(' ')) {
            (true, _) => limit,
            (false, Some(space)) if space > 0 => space,
            _ => tail.find(' ').map_or(rest.len(), |space| limit + space),
        };
        pieces.push(rest.get(..cut).unwrap_or(rest));
        rest = rest.get(cut..).unwrap_or_default().trim_start();
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_loses_no_word() {
        for room in 1..30 {
            let line = "one two-and-a-half three   four";
            let words: Vec<&str> = line.split_whitespace().collect();
            let joined = wrap(line, room).join(" ");
            assert_eq!(
                joined.split_whitespace().collect::<Vec<_>>(),
                words,
                "{room}"
            );
        }
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("世界 世界 世界", 9), ["世界 世界", "世界"]);
    }
}
