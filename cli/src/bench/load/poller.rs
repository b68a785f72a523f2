//! Waits for many connections at once, and to a time finer than a millisecond.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;

const EVENTS: usize = 256;
/// How long it sleeps at most, so that a stop is seen.
const PATIENCE: Duration = Duration::from_millis(50);

/// An epoll instance. Connections are registered once and reported when something has changed:
/// who is told reads and writes until the socket has no more.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    pub(crate) fn add(&self, source: impl AsFd, token: usize) -> std::io::Result<()> {
        let data = epoll::EventData::new_u64(token as u64);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        Ok(epoll::add(&self.epoll, source, data, flags)?)
    }

    /// Fills `changed` with the tokens of the connections that have changed: with none when
    /// `until` or the poller's own patience came first.
    pub(crate) fn wait(
        &mut self,
        until: Option<Instant>,
        changed: &mut Vec<usize>,
    ) -> std::io::Result<()> {
        let left = until.map_or(PATIENCE, |until| until.saturating_duration_since(Instant::now()));
        self.events.clear();
        changed.clear();
        // epoll itself counts in milliseconds.
        let timeout = timespec(left.min(PATIENCE));
        let mut any = [PollFd::new(&self.epoll, PollFlags::IN)];
        match poll(&mut any, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let at_once = timespec(Duration::ZERO);
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&at_once)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let tokens = self.events.iter().map(|event| event.data.u64());
        changed.extend(tokens.map(|token| token as usize));
        Ok(())
    }
}

/// Of less than a second.
fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: 0, tv_nsec: i64::from(duration.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn it_tells_who_has_something_and_wakes_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let near = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it is");
        let (mut far, _) = listener.accept().expect("it was called");
        let mut poller = Poller::new().expect("epoll is there");
        let mut changed = Vec::new();
        poller.add(&near, 7).expect("it is added");
        // It can be written to at once, though a busy kernel may take its time to say so.
        while changed.is_empty() {
            poller.wait(None, &mut changed).expect("it waits");
        }
        assert_eq!(changed, [7]);
        let until = Instant::now() + Duration::from_micros(300);
        while Instant::now() < until {
            poller.wait(Some(until), &mut changed).expect("it waits");
            assert!(changed.iter().all(|token| *token == 7), "nobody else is there");
        }
        far.write_all(b"x").expect("it is written");
        changed.clear();
        while changed.is_empty() {
            poller.wait(None, &mut changed).expect("it waits");
        }
        assert_eq!(changed, [7]);
    }
}
