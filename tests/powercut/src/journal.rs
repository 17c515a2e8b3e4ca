//! The journal, and which descriptors it is about.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    os::unix::ffi::OsStringExt,
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// What was done.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Opened; the number says how, see [`CREATED`] and its neighbours.
    Open = 1,
    Write = 2,
    Truncate = 3,
    Sync = 4,
    Rename = 5,
    Unlink = 6,
    Mkdir = 7,
    /// Mapped so that writes are not seen.
    Map = 8,
}

/// The file was not there before.
pub(crate) const CREATED: u64 = 1;
/// It was emptied.
pub(crate) const TRUNCATED: u64 = 2;
/// It is a directory.
pub(crate) const DIRECTORY: u64 = 4;

/// More descriptors than the service ever has.
const MAX_DESCRIPTORS: usize = 65_536;

/// By descriptor, the inode of a file below the directory; 0 for all others.
static INODES: [AtomicU64; MAX_DESCRIPTORS] = [const { AtomicU64::new(0) }; MAX_DESCRIPTORS];

/// Held over each change and its record, so that their orders are one.
static ORDER: Mutex<()> = Mutex::new(());

pub(crate) struct Journal {
    directory: Vec<u8>,
    descriptor: c_int,
    swallow: bool,
}

/// The journal, if the program is watched.
pub(crate) fn journal() -> Option<&'static Journal> {
    static JOURNAL: OnceLock<Option<Journal>> = OnceLock::new();
    JOURNAL.get_or_init(Journal::open).as_ref()
}

pub(crate) fn in_order() -> MutexGuard<'static, ()> {
    ORDER.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The inode behind a descriptor, if it is watched.
pub(crate) fn inode(descriptor: c_int) -> Option<u64> {
    let slot = INODES.get(usize::try_from(descriptor).ok()?)?;
    Some(slot.load(Ordering::Acquire)).filter(|inode| *inode != 0)
}

pub(crate) fn remember(descriptor: c_int, inode: u64) {
    if let Some(slot) = usize::try_from(descriptor).ok().and_then(|at| INODES.get(at)) {
        slot.store(inode, Ordering::Release);
    }
}

impl Journal {
    fn open() -> Option<Self> {
        let directory = std::env::var_os("POWERCUT_DIR")?.into_vec();
        let path = CString::new(std::env::var_os("POWERCUT_JOURNAL")?.into_vec()).ok()?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: open(2) itself, by number, with a path that ends with a zero byte and outlives the call.
        let descriptor = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600) };
        let descriptor = c_int::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
        Some(Self { directory, descriptor, swallow: std::env::var_os("POWERCUT_SWALLOW").is_some() })
    }

    /// Whether syncs are to be swallowed.
    pub(crate) fn swallows(&self) -> bool {
        self.swallow
    }

    /// The path, if it lies in the directory or is the directory.
    pub(crate) fn watched(&self, path: *const c_char) -> Option<Vec<u8>> {
        if path.is_null() {
            return None;
        }
        // SAFETY: the caller of open(2) and its like gives a path that ends with a zero byte.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        let below = path.strip_prefix(self.directory.as_slice())?;
        (below.is_empty() || below[0] == b'/').then(|| path.to_vec())
    }

    /// Appends a record. The caller holds [`in_order`].
    ///
    /// A journal with a gap would accuse the service of what the witness has missed, so a failure ends the program.
    pub(crate) fn record(&self, operation: Operation, inode: u64, number: u64, paths: [&[u8]; 2], bytes: &[u8]) {
        let mut record = vec![0; 4];
        record.push(operation as u8);
        record.extend(inode.to_le_bytes());
        record.extend(number.to_le_bytes());
        for path in paths {
            record.extend(u16::try_from(path.len()).unwrap_or(u16::MAX).to_le_bytes());
            record.extend(path);
        }
        record.extend(bytes);
        let length = u32::try_from(record.len() - 4).unwrap_or(u32::MAX);
        record[..4].copy_from_slice(&length.to_le_bytes());
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            let (from, length) = (rest.as_ptr().cast::<c_void>(), rest.len());
            // SAFETY: write(2) itself, by number, from a slice that outlives the call.
            let written = unsafe { libc::syscall(libc::SYS_write, self.descriptor, from, length) };
            match usize::try_from(written) {
                Ok(written) => rest = &rest[written..],
                Err(_) => std::process::abort(),
            }
        }
    }
}
