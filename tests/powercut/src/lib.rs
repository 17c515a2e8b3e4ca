//! A witness of what a program writes, for simulating power cuts. `LD_PRELOAD` puts it before the C library.
//!
//! Every change below one directory (bytes with file and offset, length, name) and every sync goes into a journal, in
//! the one order in which they happened: a lock is held over the change and its record. Whoever reads the journal can
//! rebuild the directory as a disk would hold it after a power cut behind any record; `tests/src/power.rs` does, and
//! says there what a cut leaves. A record is there before the call that it records returns; so what was answered when
//! the journal had n bytes rests on nothing that was written later.
//!
//! | variable | meaning |
//! |---|---|
//! | `POWERCUT_DIR` | the directory, as an absolute path in the spelling that the program uses; unset: do nothing |
//! | `POWERCUT_JOURNAL` | the journal, outside that directory |
//! | `POWERCUT_SWALLOW` | if set: report every sync as done without doing or recording it, as if SQLite never asked for one (`synchronous=OFF`) |
//!
//! It does not follow relative paths, duplicated descriptors, hard links and `io_uring`; the reader notices what has
//! been missed when it compares the whole journal's outcome with the files. A shared writable mapping is recorded as
//! such, since what is written through it is not seen: SQLite maps its `-shm` file, which is made anew after a crash.
//!
//! A record: `u32` length of the rest, then `u8` operation, `u64` inode, `u64` offset or length or flags, twice
//! (`u16` length, path), and the bytes written. Numbers are little-endian.

pub mod calls;
mod journal;
