//! How far a command has come: a bar on a terminal, elsewhere a line now and then.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal: often enough to see life, seldom enough for a log file.
const PAUSE: Duration = Duration::from_secs(10);

/// Progress of readings that are sent, or of entries that are read.
pub(super) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    /// When the last line was written; `None` on a terminal.
    written: Option<Instant>,
}

impl Progress {
    /// Begins. Without a total it goes on until it is stopped.
    pub(super) fn new(total: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            let bar = ProgressBar::hidden();
            total.into_iter().for_each(|total| bar.set_length(total));
            return Self { bar, what: "readings sent", written: Some(Instant::now()) };
        }
        let (bar, template) = match total {
            None => (ProgressBar::new_spinner(), "{spinner} {pos} readings, {msg} ({per_sec}); Ctrl-C ends it"),
            Some(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len} readings ({per_sec}), {msg}, {eta} left"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), what: "readings sent", written: None }
    }

    /// Begins to read so many entries.
    pub(super) fn entries(total: u64) -> Self {
        let Self { bar, written, .. } = Self::new(Some(total));
        let template = "{bar:30} {pos}/{len} entries read, {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), what: "entries read", written }
    }

    /// Begins to write this many readings, or a few less.
    pub(super) fn exported(total: Option<u64>) -> Self {
        let Self { bar, written, .. } = Self::new(total);
        let template = match total {
            Some(_) => "{bar:30} {pos}/{len} readings written, {per_sec}, {eta} left",
            None => "{spinner} {pos} readings written, {per_sec}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), what: "readings written", written }
    }

    /// So many readings are written.
    pub(super) fn wrote(&mut self, readings: u64) {
        self.bar.set_position(readings);
        let rate = readings as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        self.write(|line| format!("{line}, {rate:.0} a second"));
    }

    /// Begins to go through rows of a file, of which nobody knows how many there are.
    pub(super) fn rows(what: &'static str) -> Self {
        let Self { bar, written, .. } = Self::new(None);
        let template = format!("{{spinner}} {{pos}} {what}, {{msg}} ({{per_sec}})");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self { bar: bar.with_style(style), what, written }
    }

    /// So many entries have been read.
    pub(super) fn reach(&mut self, entries: u64) {
        self.bar.set_position(entries);
        self.write(|line| line.to_owned());
    }

    /// More readings have been sent; so many anomalies were found in all.
    pub(super) fn advance(&mut self, readings: u64, anomalies: u64) {
        self.bar.inc(readings);
        self.bar.set_message(format!("{anomalies} anomalies"));
        self.write(|line| format!("{line}, {anomalies} anomalies"));
    }

    /// A line, where there is no terminal and the last one was written a while ago.
    fn write(&mut self, complete: impl FnOnce(&str) -> String) {
        if self.written.is_some_and(|written| written.elapsed() >= PAUSE) {
            self.written = Some(Instant::now());
            eprintln!("{}", complete(&self.line()));
        }
    }

    fn line(&self) -> String {
        let of = self.bar.length().map_or_else(String::new, |total| format!(" of {total}"));
        format!("{}{of} {}", self.bar.position(), self.what)
    }

    /// All is sent.
    pub(super) fn finish(&self) {
        self.bar.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let hidden = || Progress { bar: ProgressBar::hidden(), what: "readings sent", written: Some(Instant::now()) };
        let mut progress = hidden();
        progress.bar.set_length(1_000);
        progress.advance(500, 3);
        assert_eq!(progress.line(), "500 of 1000 readings sent");
        assert_eq!(hidden().line(), "0 readings sent");
    }
}
