//! The functions of the C library that change files. Each does what was asked, and records it if it was done.
//!
//! The system is called by number, so that nothing here calls itself. The `mode` of `open` is an optional argument in C;
//! on the platforms that the tests run on (x86-64 and 64-bit ARM Linux) it arrives where a fixed one would.

#![allow(clippy::not_unsafe_ptr_arg_deref, reason = "only C calls these, and it knows no `unsafe`")]

use std::ffi::{c_char, c_int, c_long, c_void};

use libc::{mode_t, off_t, size_t, ssize_t};

use crate::journal::{self, CREATED, DIRECTORY, Journal, Operation, TRUNCATED};

/// What a failed call and a failed mapping return.
const FAILED: c_long = -1;

/// Calls the system by number; gives −1 and sets `errno` on failure, as the C library does.
macro_rules! system {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the very call that the program has made, with the arguments that it has given.
        unsafe { libc::syscall(libc::$number $(, $argument)*) }
    };
}

/// A number of the C library's type, as which `syscall` gives it back.
fn narrow(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

fn number(value: off_t) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn status(descriptor: c_int) -> Option<libc::stat> {
    // SAFETY: all bytes zero are a valid `stat`, and fstat(2) is given room for one.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: see above.
    let result = unsafe { libc::fstat(descriptor, &raw mut status) };
    (result == 0).then_some(status)
}

fn opened(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let watched = journal::journal().and_then(|journal| Some((journal, journal.watched(path)?)));
    let Some((journal, name)) = watched else {
        let descriptor = narrow(system!(SYS_openat, at, path, flags, mode));
        journal::remember(descriptor, 0);
        return descriptor;
    };
    let _order = journal::in_order();
    let there = system!(SYS_faccessat, at, path, libc::F_OK) == 0;
    let descriptor = narrow(system!(SYS_openat, at, path, flags, mode));
    let Some(status) = Some(descriptor).filter(|descriptor| *descriptor >= 0).and_then(status) else {
        return descriptor;
    };
    let created = if there { 0 } else { CREATED };
    let truncated = if flags & libc::O_TRUNC != 0 { TRUNCATED } else { 0 };
    let directory = if status.st_mode & libc::S_IFMT == libc::S_IFDIR { DIRECTORY } else { 0 };
    journal::remember(descriptor, status.st_ino);
    journal.record(Operation::Open, status.st_ino, created | truncated | directory, [&name, &[]], &[]);
    descriptor
}

/// open(2)
#[unsafe(no_mangle)]
pub extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opened(libc::AT_FDCWD, path, flags, mode)
}

/// open(2)
#[unsafe(no_mangle)]
pub extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opened(libc::AT_FDCWD, path, flags, mode)
}

/// openat(2)
#[unsafe(no_mangle)]
pub extern "C" fn openat(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opened(at, path, flags, mode)
}

/// openat(2)
#[unsafe(no_mangle)]
pub extern "C" fn openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opened(at, path, flags, mode)
}

/// close(2)
#[unsafe(no_mangle)]
pub extern "C" fn close(descriptor: c_int) -> c_int {
    journal::remember(descriptor, 0);
    narrow(system!(SYS_close, descriptor))
}

/// The journal and the inode, if a change through this descriptor is to be recorded.
fn watched(descriptor: c_int) -> Option<(&'static Journal, u64)> {
    // In this order: most descriptors are sockets, and cost one look into a table.
    let inode = journal::inode(descriptor)?;
    Some((journal::journal()?, inode))
}

/// The first bytes of what the program wanted written.
fn written<'a>(bytes: *const c_void, length: c_long) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the system has just read so many bytes from there.
        Ok(length) if length > 0 => unsafe { std::slice::from_raw_parts(bytes.cast(), length) },
        _ => &[],
    }
}

/// write(2)
#[unsafe(no_mangle)]
pub extern "C" fn write(descriptor: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    let Some((journal, inode)) = watched(descriptor) else {
        return system!(SYS_write, descriptor, bytes, length) as ssize_t;
    };
    let _order = journal::in_order();
    let result = system!(SYS_write, descriptor, bytes, length);
    if result > 0 {
        // Also of a file that is appended to, the position is now behind what was written.
        let end = system!(SYS_lseek, descriptor, 0 as off_t, libc::SEEK_CUR);
        journal.record(Operation::Write, inode, number(end - result), [&[], &[]], written(bytes, result));
    }
    result as ssize_t
}

fn written_at(descriptor: c_int, bytes: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    let Some((journal, inode)) = watched(descriptor) else {
        return system!(SYS_pwrite64, descriptor, bytes, length, offset) as ssize_t;
    };
    let _order = journal::in_order();
    let result = system!(SYS_pwrite64, descriptor, bytes, length, offset);
    if result > 0 {
        journal.record(Operation::Write, inode, number(offset), [&[], &[]], written(bytes, result));
    }
    result as ssize_t
}

/// pwrite(2)
#[unsafe(no_mangle)]
pub extern "C" fn pwrite(descriptor: c_int, bytes: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    written_at(descriptor, bytes, length, offset)
}

/// pwrite(2)
#[unsafe(no_mangle)]
pub extern "C" fn pwrite64(descriptor: c_int, bytes: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    written_at(descriptor, bytes, length, offset)
}

/// writev(2). A caller has to reckon with a short write, so the first piece alone is one.
#[unsafe(no_mangle)]
pub extern "C" fn writev(descriptor: c_int, pieces: *const libc::iovec, count: c_int) -> ssize_t {
    if watched(descriptor).is_none() || count < 1 {
        return system!(SYS_writev, descriptor, pieces, count) as ssize_t;
    }
    // SAFETY: the caller of writev(2) gives `count` pieces, and there is one.
    let first = unsafe { *pieces };
    write(descriptor, first.iov_base, first.iov_len)
}

/// pwritev(2). See [`writev`].
#[unsafe(no_mangle)]
pub extern "C" fn pwritev(descriptor: c_int, pieces: *const libc::iovec, count: c_int, offset: off_t) -> ssize_t {
    if watched(descriptor).is_none() || count < 1 {
        return system!(SYS_pwritev, descriptor, pieces, count, offset, 0) as ssize_t;
    }
    // SAFETY: the caller of pwritev(2) gives `count` pieces, and there is one.
    let first = unsafe { *pieces };
    written_at(descriptor, first.iov_base, first.iov_len, offset)
}

/// pwritev(2). See [`writev`].
#[unsafe(no_mangle)]
pub extern "C" fn pwritev64(descriptor: c_int, pieces: *const libc::iovec, count: c_int, offset: off_t) -> ssize_t {
    pwritev(descriptor, pieces, count, offset)
}

fn truncated(descriptor: c_int, length: off_t) -> c_int {
    let Some((journal, inode)) = watched(descriptor) else {
        return narrow(system!(SYS_ftruncate, descriptor, length));
    };
    let _order = journal::in_order();
    let result = system!(SYS_ftruncate, descriptor, length);
    if result == 0 {
        journal.record(Operation::Truncate, inode, number(length), [&[], &[]], &[]);
    }
    narrow(result)
}

/// ftruncate(2)
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(descriptor: c_int, length: off_t) -> c_int {
    truncated(descriptor, length)
}

/// ftruncate(2)
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(descriptor: c_int, length: off_t) -> c_int {
    truncated(descriptor, length)
}

/// fallocate(2): here it is not to be had, and the caller goes on without. Nobody who asks for it relies on it.
#[unsafe(no_mangle)]
pub extern "C" fn fallocate(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    if watched(descriptor).is_none() {
        return narrow(system!(SYS_fallocate, descriptor, mode, offset, length));
    }
    // SAFETY: the address of this thread's `errno`.
    unsafe { *libc::__errno_location() = libc::EOPNOTSUPP };
    -1
}

fn synced(descriptor: c_int, call: impl Fn() -> c_long) -> c_int {
    let Some((journal, inode)) = watched(descriptor) else { return narrow(call()) };
    if journal.swallows() {
        return 0;
    }
    // What others write meanwhile would be neither before nor after, so they wait.
    let _order = journal::in_order();
    let result = call();
    if result == 0 {
        journal.record(Operation::Sync, inode, 0, [&[], &[]], &[]);
    }
    narrow(result)
}

/// fsync(2)
#[unsafe(no_mangle)]
pub extern "C" fn fsync(descriptor: c_int) -> c_int {
    synced(descriptor, || system!(SYS_fsync, descriptor))
}

/// fdatasync(2)
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    synced(descriptor, || system!(SYS_fdatasync, descriptor))
}

/// Does something to names, and records it if it was done.
fn named(operation: Operation, paths: [*const c_char; 2], call: impl Fn() -> c_long) -> c_int {
    let Some(journal) = journal::journal() else { return narrow(call()) };
    let [first, second] = paths.map(|path| journal.watched(path).unwrap_or_default());
    if first.is_empty() && second.is_empty() {
        return narrow(call());
    }
    let _order = journal::in_order();
    let result = call();
    if result == 0 {
        journal.record(operation, 0, 0, [&first, &second], &[]);
    }
    narrow(result)
}

/// rename(2)
#[unsafe(no_mangle)]
pub extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let here = libc::AT_FDCWD;
    named(Operation::Rename, [from, to], || system!(SYS_renameat2, here, from, here, to, 0))
}

/// renameat(2)
#[unsafe(no_mangle)]
pub extern "C" fn renameat(at: c_int, from: *const c_char, other: c_int, to: *const c_char) -> c_int {
    named(Operation::Rename, [from, to], || system!(SYS_renameat2, at, from, other, to, 0))
}

/// unlink(2)
#[unsafe(no_mangle)]
pub extern "C" fn unlink(path: *const c_char) -> c_int {
    named(Operation::Unlink, [path, std::ptr::null()], || system!(SYS_unlinkat, libc::AT_FDCWD, path, 0))
}

/// unlinkat(2)
#[unsafe(no_mangle)]
pub extern "C" fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
    named(Operation::Unlink, [path, std::ptr::null()], || system!(SYS_unlinkat, at, path, flags))
}

/// mkdir(2)
#[unsafe(no_mangle)]
pub extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    named(Operation::Mkdir, [path, std::ptr::null()], || system!(SYS_mkdirat, libc::AT_FDCWD, path, mode))
}

fn mapped(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: off_t,
) -> *mut c_void {
    let result = system!(SYS_mmap, address, length, protection, flags, descriptor, offset);
    let unseen = flags & libc::MAP_SHARED != 0 && protection & libc::PROT_WRITE != 0;
    if result != FAILED
        && unseen
        && let Some((journal, inode)) = watched(descriptor)
    {
        let _order = journal::in_order();
        journal.record(Operation::Map, inode, 0, [&[], &[]], &[]);
    }
    result as *mut c_void
}

/// mmap(2)
#[unsafe(no_mangle)]
pub extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: off_t,
) -> *mut c_void {
    mapped(address, length, protection, flags, descriptor, offset)
}

/// mmap(2)
#[unsafe(no_mangle)]
pub extern "C" fn mmap64(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: off_t,
) -> *mut c_void {
    mapped(address, length, protection, flags, descriptor, offset)
}
