//! Child processes that end with the value that holds them.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use crate::poll;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: PathBuf,
}

impl Process {
    /// Starts a program; its standard error goes to a file in `dir`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, dir: &Path) -> Self {
        let stderr = dir.join(format!("{name}.stderr"));
        let log = File::options().create(true).append(true).open(&stderr).expect("the log can be written");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let (lines, pipe) = (Arc::clone(&stdout), child.stdout.take().expect("it is piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().expect("no panic while locked").push(line);
            }
        });
        Self { name, child, stdout, stderr }
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().expect("no panic while locked").clone()
    }

    /// What it has complained of so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit code, if it has ended; −1 if a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().expect("a child can be waited for").map(|status| status.code().unwrap_or(-1))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).stderr(Stdio::null()).status();
        sent.expect("kill is on every machine");
    }

    /// Waits until it has ended by itself, and gives its exit code.
    pub async fn ended(&mut self, limit: Duration) -> i32 {
        let what = format!("{} ends; its log: {}", self.name, self.stderr.display());
        poll::within(limit, &what, async || self.exit_code()).await
    }

    /// Ends it at once, as a power cut would, save for what the kernel has taken over.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.stderr();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("--- end of the log of {} ---", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A port that nobody listens on. Below the range from which the kernel takes ports for connections, and each given
/// only once by this process: so it can be left and taken again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two test processes at a time, should that happen, begin at different places.
    let start = (std::process::id() % 100) as u16 * 100;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
