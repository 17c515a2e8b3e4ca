//! How far a command has come: a bar on a terminal, elsewhere a line now and then.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal: often enough to see life, seldom enough for a log file.
const PAUSE: Duration = Duration::from_secs(10);

/// Progress of readings that are sent, or of entries that are checked.
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the last line was written; `None` on a terminal.
    written: Option<Instant>,
}

impl Progress {
    /// Begins. Without a total it goes on until it is stopped.
    pub(super) fn new(total: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            let bar = ProgressBar::hidden();
            total.into_iter().for_each(|total| bar.set_length(total));
            return Self { bar, written: Some(Instant::now()) };
        }
        let (bar, template) = match total {
            None => (ProgressBar::new_spinner(), "{spinner} {pos} readings, {msg} ({per_sec}); Ctrl-C ends it"),
            Some(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len} readings, {msg}, {eta} left"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), written: None }
    }

    /// More readings have been sent; so many anomalies were found in all.
    pub(super) fn advance(&mut self, readings: u64, anomalies: u64) {
        self.bar.inc(readings);
        self.bar.set_message(format!("{anomalies} anomalies"));
        if let Some(written) = &mut self.written
            && written.elapsed() >= PAUSE
        {
            *written = Instant::now();
            eprintln!("{}", self.line(anomalies));
        }
    }

    /// Begins a check of so many entries.
    pub(super) fn checking(entries: u64) -> Self {
        let mut progress = Self::new(Some(entries));
        if progress.written.is_none() {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} entries checked, {eta} left");
            progress.bar = progress.bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        progress
    }

    /// More entries have been checked.
    pub(super) fn checked(&mut self, entries: u64) {
        self.bar.inc(entries);
        if let Some(written) = &mut self.written
            && written.elapsed() >= PAUSE
        {
            *written = Instant::now();
            eprintln!("{} of {} entries checked", self.bar.position(), self.bar.length().unwrap_or_default());
        }
    }

    fn line(&self, anomalies: u64) -> String {
        let of = self.bar.length().map_or_else(String::new, |total| format!(" of {total}"));
        format!("{}{of} readings sent, {anomalies} anomalies", self.bar.position())
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
        let mut progress = Progress { bar: ProgressBar::hidden(), written: Some(Instant::now()) };
        progress.bar.set_length(1_000);
        progress.advance(500, 3);
        assert_eq!(progress.line(3), "500 of 1000 readings sent, 3 anomalies");
        let endless = Progress { bar: ProgressBar::hidden(), written: Some(Instant::now()) };
        assert_eq!(endless.line(0), "0 readings sent, 0 anomalies");
    }
}
