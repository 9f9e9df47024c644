//! What a terminal shows of what was written to it: as much of xterm as the view makes use of.

/// The characters on a screen.
#[derive(Debug)]
pub(crate) struct Emulator {
    lines: Vec<Vec<char>>,
    line: usize,
    column: usize,
    /// A control sequence that has begun.
    sequence: Option<String>,
    /// Bytes of a character that is not complete.
    rest: Vec<u8>,
}

impl Emulator {
    pub(crate) fn new(columns: usize, lines: usize) -> Self {
        Self {
            lines: vec![vec![' '; columns]; lines],
            line: 0,
            column: 0,
            sequence: None,
            rest: Vec::new(),
        }
    }

    pub(crate) fn resize(&mut self, columns: usize, lines: usize) {
        *self = Self::new(columns, lines);
    }

    /// What is on it, line by line.
    pub(crate) fn text(&self) -> String {
        let lines = self
            .lines
            .iter()
            .map(|line| line.iter().collect::<String>());
        lines
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let whole = match std::str::from_utf8(&rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        self.rest = rest[whole..].to_vec();
        for character in String::from_utf8_lossy(&rest[..whole]).chars() {
            self.put(character);
        }
    }

    fn put(&mut self, character: char) {
        if let Some(mut sequence) = self.sequence.take() {
            sequence.push(character);
            let is_complete = match sequence.strip_prefix('[') {
                Some(rest) => rest.chars().any(|c| ('@'..='~').contains(&c)),
                None => true,
            };
            if is_complete {
                self.control(&sequence);
            } else {
                self.sequence = Some(sequence);
            }
            return;
        }
        match character {
            '\x1b' => self.sequence = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => self.line += 1,
            _ => {
                let cell = self.lines.get_mut(self.line);
                if let Some(cell) = cell.and_then(|line| line.get_mut(self.column)) {
                    *cell = character;
                }
                self.column += 1;
            }
        }
    }

    fn control(&mut self, sequence: &str) {
        let numbers = || {
            let digits = sequence.trim_matches(|c: char| !c.is_ascii_digit());
            digits.split(';').map(|number| number.parse().unwrap_or(1))
        };
        match sequence.chars().last() {
            Some('H') => {
                let mut place = numbers();
                self.line = place.next().unwrap_or(1_usize).max(1) - 1;
                self.column = place.next().unwrap_or(1_usize).max(1) - 1;
            }
            Some('J') => self.clear(),
            Some('h' | 'l') if sequence.contains("?1049") => self.clear(),
            _ => {}
        }
    }

    fn clear(&mut self) {
        for line in &mut self.lines {
            line.fill(' ');
        }
    }
}

#[test]
fn what_is_written_is_where_it_was_written_to() {
    let mut emulator = Emulator::new(10, 3);
    emulator.write("\x1b[?1049h\x1b[2;3Hab\x1b[1mc".as_bytes());
    emulator.write(&"\x1b[1;1H…".as_bytes()[..7]);
    emulator.write(&"…".as_bytes()[1..]);
    assert_eq!(emulator.text(), "…\n  abc\n\n");
    emulator.write(b"\x1b[2J");
    assert_eq!(emulator.text(), "\n\n\n");
}
