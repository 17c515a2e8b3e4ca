//! From bytes to lines, whatever the bytes are. Knows nothing of what lines say.
//!
//! Imports nothing of the service: `tests/fuzz` compiles this file too.

/// The longest line, without its end. A reading of 12 metrics with the longest names takes about 1.2 KB.
pub(super) const MAX_LINE: usize = 64 << 10;

/// How far a line that is too long is passed over, looking for its end. One that is longer than 16 of the longest is no
/// line of anybody who speaks this protocol.
pub(super) const MAX_SKIPPED: usize = 1 << 20;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Its bytes, without `\n` or `\r\n`.
    Whole(&'a [u8]),
    /// Longer than [`MAX_LINE`]. Its bytes are gone.
    TooLong,
    /// So long that its end is not looked for any more. No line follows.
    Endless,
}

/// Takes bytes, gives lines. Holds at most a line and what was pushed last.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// From where on no end was looked for yet.
    unseen: usize,
    /// How much of a line that is too long was passed over.
    skipped: usize,
    endless: bool,
    /// Lines given.
    number: u64,
}

impl Lines {
    /// More bytes, in any pieces.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.unseen -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The number of the last line that was given.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that has ended.
    pub(super) fn next(&mut self) -> Option<Line<'_>> {
        loop {
            if self.endless {
                return None;
            }
            let end = self.buffer[self.unseen..].iter().position(|byte| *byte == b'\n').map(|at| self.unseen + at);
            let Some(end) = end else {
                self.unseen = self.buffer.len();
                let overlong = self.overlong();
                if self.start == self.buffer.len() {
                    // An idle connection keeps no room for what it once sent.
                    (self.buffer, self.start, self.unseen) = (Vec::new(), 0, 0);
                }
                return overlong;
            };
            let (from, length) = (self.start, end - self.start);
            (self.start, self.unseen) = (end + 1, end + 1);
            if std::mem::take(&mut self.skipped) > 0 {
                // It was given when it became too long.
                continue;
            }
            self.number += 1;
            let line = &self.buffer[from..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Some(if length > MAX_LINE + 1 || line.len() > MAX_LINE {
                Line::TooLong
            } else {
                Line::Whole(line)
            });
        }
    }

    /// What is left when no more bytes come: a line that only lacks its end.
    pub(super) fn rest(&mut self) -> Option<Line<'_>> {
        let from = std::mem::replace(&mut self.start, self.buffer.len());
        self.unseen = self.start;
        if self.endless || self.skipped > 0 || from == self.buffer.len() {
            return None;
        }
        self.number += 1;
        let line = &self.buffer[from..];
        Some(Line::Whole(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Forgets the beginning of a line that is too long, and tells of it once.
    fn overlong(&mut self) -> Option<Line<'static>> {
        let held = self.buffer.len() - self.start;
        // A line of the longest, and its `\r`.
        if self.skipped == 0 && held <= MAX_LINE + 1 {
            return None;
        }
        let first = self.skipped == 0;
        self.skipped += held;
        (self.start, self.unseen) = (self.buffer.len(), self.buffer.len());
        self.endless = self.skipped > MAX_SKIPPED;
        self.number += u64::from(first);
        match (self.endless, first) {
            (true, _) => Some(Line::Endless),
            (false, true) => Some(Line::TooLong),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of these bytes, cut into pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(piece) {
            lines.push(piece);
            loop {
                let line = match lines.next() {
                    None => break,
                    Some(Line::Whole(line)) => Some(line.to_vec()),
                    Some(Line::TooLong | Line::Endless) => None,
                };
                found.push((lines.number(), line));
            }
        }
        if let Some(Line::Whole(line)) = lines.rest() {
            let line = line.to_vec();
            found.push((lines.number(), Some(line)));
        }
        found
    }

    #[test]
    fn finds_the_same_lines_in_any_pieces() {
        let text = b"one\ntwo\r\n\n\x00\xff\nlast";
        let whole = [&b"one"[..], b"two", b"", b"\x00\xff", b"last"];
        let expected: Vec<_> = (1..).zip(whole).map(|(at, line)| (at, Some(line.to_vec()))).collect();
        for piece in 1..=text.len() {
            assert_eq!(read(text, piece), expected, "{piece}");
        }
    }

    #[test]
    fn goes_on_after_a_line_that_is_too_long() {
        let fits = vec![b'x'; MAX_LINE];
        for (end, long) in [("\n", MAX_LINE + 1), ("\r\n", MAX_LINE + 1), ("\n", MAX_SKIPPED - 1)] {
            let text = [&fits[..], end.as_bytes(), &vec![b'y'; long], end.as_bytes(), b"after\n"].concat();
            for piece in [1, 7, 65_536, text.len()] {
                let expected = [(1, Some(fits.clone())), (2, None), (3, Some(b"after".to_vec()))];
                assert_eq!(read(&text, piece), expected, "{piece} {long}");
            }
        }
    }

    #[test]
    fn gives_up_where_no_end_comes() {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        for _ in 0..MAX_SKIPPED / 1024 + 2 {
            lines.push(&[b'x'; 1024]);
            assert!(lines.buffer.len() <= MAX_LINE + 2048, "{} bytes are held", lines.buffer.len());
            told.extend(lines.next().map(|line| matches!(line, Line::Endless)));
        }
        assert_eq!(told, [false, true]);
        lines.push(b"\nafter\n");
        assert_eq!(lines.next(), None);
        assert_eq!(lines.rest(), None);
    }
}
