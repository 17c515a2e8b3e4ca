//! Files that are being written: removed where a signal ends the command halfway, as `Drop` does where an error ends it.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, Once, PoisonError},
    thread,
};

use tokio::signal::unix::{SignalKind, signal};

static FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// A file that is to be gone unless the command ends by itself. The file is removed by whoever made it, or by a signal.
#[derive(Debug)]
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    /// From now on a signal removes the file.
    pub(super) fn new(path: &Path) -> Self {
        WATCH.call_once(|| drop(thread::Builder::new().name("signals".into()).spawn(wait)));
        FILES.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        FILES.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}

/// Waits for Ctrl-C or SIGTERM. Where it cannot, a signal ends the command as it always did.
fn wait() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let code = runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?);
        // 128 and the signal's number, as a shell shows it.
        Some(tokio::select! { _ = interrupt.recv() => 130, _ = terminate.recv() => 143 })
    });
    let Some(code) = code else { return };
    // Held to the end: nothing is renamed any more meanwhile.
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    for file in &*files {
        let _ = fs::remove_file(file);
    }
    process::exit(code);
}
