//! Waits for many connections at once, with a timer finer than a millisecond.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

const EVENTS: usize = 256;
/// How long it sleeps at most, so that a stop is seen.
const PATIENCE: Duration = Duration::from_millis(50);
/// The token of the timer.
const TIMER: u64 = u64::MAX;

/// An epoll instance. Connections are registered once and reported when something has changed:
/// who is told reads and writes until the socket has no more.
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// epoll itself counts in milliseconds.
    timer: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), flags)?;
        Ok(Self { epoll, timer, events: Vec::with_capacity(EVENTS) })
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
        let mut timeout = Timespec { tv_sec: 0, tv_nsec: PATIENCE.as_nanos() as i64 };
        if left.is_zero() {
            timeout.tv_nsec = 0;
        } else if left < PATIENCE {
            let value = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
            let once =
                Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        }
        self.events.clear();
        changed.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let tokens = self.events.iter().map(|event| event.data.u64());
        changed.extend(tokens.filter(|token| *token != TIMER).map(|token| token as usize));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn it_tells_who_has_something_and_wakes_by_its_timer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let near = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it is");
        let (mut far, _) = listener.accept().expect("it was called");
        let mut poller = Poller::new().expect("epoll is there");
        let mut changed = Vec::new();
        poller.add(&near, 7).expect("it is added");
        poller.wait(None, &mut changed).expect("it waits");
        assert_eq!(changed, [7], "it can be written to");
        poller.wait(Some(Instant::now()), &mut changed).expect("it waits");
        assert!(changed.is_empty(), "nothing has changed");
        let until = Instant::now() + Duration::from_micros(300);
        while Instant::now() < until {
            poller.wait(Some(until), &mut changed).expect("it waits");
            assert!(changed.is_empty(), "the timer is no connection");
        }
        far.write_all(b"x").expect("it is written");
        poller.wait(None, &mut changed).expect("it waits");
        assert_eq!(changed, [7]);
    }
}
