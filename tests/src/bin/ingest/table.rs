//! The one table.

use std::collections::BTreeMap;

use crate::load::Shown;

/// What was measured, line by line.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    title: String,
    /// What the devices' names begin with.
    prefix: String,
    shown: Shown,
    /// What the peer has stored; ours is counted in its store, by device.
    stored: Option<u64>,
}

impl Line {
    fn stored(&self, of_devices: &BTreeMap<String, u64>) -> u64 {
        let start = format!("{}-", self.prefix);
        let counted = || of_devices.iter().filter(|(name, _)| name.starts_with(&start)).map(|(_, count)| count).sum();
        self.stored.unwrap_or_else(counted)
    }
}

impl Table {
    /// Adds a line of ours.
    pub(crate) fn add(&mut self, title: &str, prefix: &str, shown: Shown) {
        self.lines.push(Line { title: title.to_owned(), prefix: prefix.to_owned(), shown, stored: None });
    }

    /// Adds a line of a peer, which has stored so many.
    pub(crate) fn add_peer(&mut self, title: &str, shown: Shown, stored: u64) {
        self.lines.push(Line { title: title.to_owned(), prefix: String::new(), shown, stored: Some(stored) });
    }

    /// Whether everything that was acknowledged is stored, and all connections lasted.
    pub(crate) fn is_whole(&self, stored: &BTreeMap<String, u64>) -> bool {
        let whole = |line: &Line| line.stored(stored) == line.shown.acknowledged() && line.shown.failure().is_none();
        self.lines.iter().filter(|line| line.stored.is_none()).all(whole)
    }

    /// Prints it, in Markdown.
    pub(crate) fn print(&self, stored: &BTreeMap<String, u64>) {
        println!(
            "| what | connections | readings/s | points/s | p50 ms | p99 ms | p99.9 ms | busy answers \
             | memory before → after, MiB | service's share | generator's share | acknowledged | stored |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for line in &self.lines {
            let Shown { connections, before, .. } = line.shown;
            let number = |name| line.shown.number(name);
            let percent = |name| number(name) * 100.0;
            println!(
                "| {} | {connections} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} → {:.0} | {:.0} % | {:.0} % | {} | {} |",
                line.title,
                line.shown.rate(),
                number("points_per_second"),
                number("p50_ms"),
                line.shown.p99(),
                number("p999_ms"),
                number("busy"),
                before as f64 / 1_048_576.0,
                number("service_mib_after"),
                percent("service_share"),
                percent("generator_share"),
                line.shown.acknowledged(),
                line.stored(stored),
            );
        }
        println!("Shares are of all {} cores.", std::thread::available_parallelism().map_or(1, usize::from));
        for line in &self.lines {
            if let Some(why) = line.shown.failure() {
                println!("{}: {why}", line.title);
            }
        }
    }
}
