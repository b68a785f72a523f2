//! Work that is no work for a thread that serves sockets.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what takes long, or may wait for a disk, in the caller's place and order, while another
/// thread serves the sockets of this one. A runtime that has one thread only has no other to do
/// so.
pub fn off_sockets<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
