//! When the process is asked to stop.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ready once SIGINT, SIGTERM or SIGHUP has come after this call, which is made within a runtime,
/// and before the work that must not be ended in the middle: a terminal that is closed stops a
/// broker in order, too. A signal that the process was started to ignore (SIGHUP below `nohup`,
/// SIGINT in the background of a script) stays ignored, as Java does it. Where signals cannot be
/// watched, it is never ready: the process then ends as they end it.
pub(crate) fn stop_requested() -> impl Future<Output = ()> + Send + Unpin {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let watched: Result<Vec<Signal>, _> =
        kinds.into_iter().filter(|kind| !is_ignored(*kind)).map(signal).collect();
    let mut watched = watched.unwrap_or_else(|error| {
        tracing::warn!("signals cannot be watched, a stop will not be clean: {error}");
        Vec::new()
    });
    poll_fn(move |context| {
        let came = watched.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if came { Poll::Ready(()) } else { Poll::Pending }
    })
}

fn is_ignored(kind: SignalKind) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; the old one is written into memory of its size, and all
    // bytes zero are a valid one.
    let (status, action) = unsafe {
        let status = libc::sigaction(kind.as_raw_value(), std::ptr::null(), action.as_mut_ptr());
        (status, action.assume_init())
    };
    status == 0 && action.sa_sigaction == libc::SIG_IGN
}
