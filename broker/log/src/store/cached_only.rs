//! A file that is read only where no disk has to be waited for.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::RawFd;
use std::sync::Arc;

use super::File;

/// A file whose reads are `WouldBlock` where they would wait for a disk.
#[derive(Debug)]
pub(crate) struct CachedOnly(pub(crate) Arc<dyn File>);

impl File for CachedOnly {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_cached_at(buffer, position)?.ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_at(bytes, position)
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        self.0.write_parts_at(parts, position)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.0.reserve(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        self.0.as_raw_fd()
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.0.read_cached_at(buffer, position)
    }

    fn is_cached(&self, position: u64, length: usize) -> bool {
        self.0.is_cached(position, length)
    }

    fn load(&self, position: u64, length: usize) -> io::Result<()> {
        self.0.load(position, length)
    }
}
