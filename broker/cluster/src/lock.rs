//! What a panic under a lock means.
//!
//! Whoever panics while it holds a lock may leave half a change behind it. So what is more than one
//! step away from being whole is never gone on with:
//!
//! | behind the lock | after a panic |
//! |---|---|
//! | a partition's log | its log dir fails, and the log is read anew (`Partition::lock`) |
//! | the metadata log | a commit that was cut short ends all changes (`Committer::check`) |
//! | a copy of a partition | it is given up (`Move::copy`) |
//! | a fetch session | it is closed, and its client opens another |
//! | everything else | it is whole, as a value that is copied in or out, or a collection |
//! | | that one call changes: [`whole`], [`read_whole`], [`write_whole`] |
//!
//! Nothing but this file says that what a lock guards is whole after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Takes a lock under which nothing is ever half changed.
pub fn whole<T: ?Sized>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`whole`], to read.
pub fn read_whole<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`whole`], to write.
pub fn write_whole<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
