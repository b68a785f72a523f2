//! The two systems as processes: made from nothing, started, stopped, killed, started again.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::figures::System;
use super::interrupt;
use super::load::ask::{Asking, Led, Topic};
use crate::causes;

/// How long a start and a stop may take.
const START: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(120);
/// How long the files of a removed topic are waited for. Kafka removes none in its first 30 s.
const REMOVED_WITHIN: Duration = Duration::from_secs(3);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How far above Kafka's port its controller listens.
const CONTROLLER: u16 = 101;
/// Beyond the defaults, for both: a removed topic gives its space back at once.
const PROPERTIES: &str = "log.segment.delete.delay.ms=0\n";

/// One broker on loopback, with its data below a folder of its own. It is stopped when dropped.
pub(crate) struct Broker {
    system: System,
    folder: PathBuf,
    address: SocketAddr,
    /// The script that starts Kafka.
    script: PathBuf,
    running: Option<Running>,
}

enum Running {
    /// Ours to wait for.
    Child(Child),
    /// The script's.
    Process(u32),
}

impl Broker {
    /// A broker that was never started, on ports that are free now; what was in the folder goes.
    pub(crate) fn new(system: System, folder: &Path, script: &Path) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let folder = folder.canonicalize()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Ok(Self { system, folder, address, script: script.to_owned(), running: None })
    }

    pub(crate) fn system(&self) -> System {
        self.system
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.running {
            Some(Running::Child(child)) => Some(child.id()),
            Some(Running::Process(pid)) => Some(*pid),
            None => None,
        }
    }

    /// A connection for questions.
    pub(crate) fn ask(&self) -> anyhow::Result<Asking> {
        Asking::connect(self.address, ANSWER)
    }

    /// Where the partitions are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data-1")
    }

    /// Starts it, at the first time on an empty folder; answers how long it took until it told
    /// that it leads `expected`. Kafka formats its folder at the first start, so only later ones
    /// compare.
    pub(crate) fn start(&mut self, expected: Led) -> anyhow::Result<Duration> {
        ensure!(self.running.is_none(), "{} runs already", self.system);
        let begun = Instant::now();
        match self.system {
            System::Kafka => {
                let mut starting = self.launch_kafka()?;
                let ready = self.until_ready(expected, &mut starting);
                self.running = self.kafka_pid().map(Running::Process);
                let took = begun.elapsed();
                if ready.is_err() {
                    let _ = starting.kill();
                }
                let _ = starting.wait();
                ready.map(|()| took)
            }
            System::Yeoul => {
                let mut child = self.launch_yeoul()?;
                let ready = self.until_ready(expected, &mut child);
                let took = begun.elapsed();
                self.running = Some(Running::Child(child));
                ready.map(|()| took)
            }
            System::Floor => bail!("the floor is no broker"),
        }
    }

    fn launch_yeoul(&self) -> anyhow::Result<Child> {
        let properties = self.folder.join("1.properties");
        if !properties.exists() {
            let text = format!(
                "node.id=1\nlisteners=PLAINTEXT://{}\nlog.dirs={}\n\
                 offsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n\
                 {PROPERTIES}",
                self.address,
                self.data().display()
            );
            fs::write(&properties, text)?;
        }
        let output = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("kafka-server-start").arg(properties).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        // Its own process group: a Ctrl-C at this terminal is not for it.
        command.process_group(0).spawn().context("yeoul does not start")
    }

    fn launch_kafka(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(&self.script);
        if self.folder.join("1.properties").exists() {
            command.arg("restart").arg(&self.folder).arg("1");
        } else {
            let extra = self.folder.join("extra.properties");
            fs::write(&extra, PROPERTIES)?;
            command.env("KAFKA_EXTRA", extra);
            command.arg("start").arg(&self.folder).arg(self.address.port().to_string()).arg("1");
        }
        let output =
            File::options().create(true).append(true).open(self.folder.join("start.log"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let script = self.script.display().to_string();
        command.process_group(0).spawn().with_context(|| format!("{script} does not start"))
    }

    /// What the script says, if that process is a broker of this folder.
    fn kafka_pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.folder.join("1.pid")).ok()?;
        let pid = text.trim().parse().ok()?;
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.contains(&*self.folder.to_string_lossy()).then_some(pid)
    }

    fn until_ready(&self, expected: Led, launched: &mut Child) -> anyhow::Result<()> {
        let until = Instant::now() + START;
        let is_script = self.system == System::Kafka;
        loop {
            let asked = Instant::now();
            let led = Asking::connect(self.address, ANSWER).and_then(|mut asking| {
                asking.api_versions()?;
                asking.led()
            });
            if led.as_ref().is_ok_and(|led| *led == expected) {
                return Ok(());
            }
            interrupt::check()?;
            let ended = launched.try_wait()?;
            if let Some(status) = ended.filter(|status| !(is_script && status.success())) {
                bail!("{} ended at its start, {status}: {}", self.system, self.log_tail());
            }
            let found = match led {
                Ok(led) => format!("{led:?}"),
                Err(error) => causes::told(&error),
            };
            ensure!(
                Instant::now() < until,
                "{} is not ready after {} s: {found} instead of {expected:?}",
                self.system,
                START.as_secs()
            );
            // Long answers are not asked for without a pause.
            std::thread::sleep((2 * asked.elapsed()).max(Duration::from_millis(1)));
        }
    }

    /// Starts it again if it has died.
    pub(crate) fn revive(&mut self) -> anyhow::Result<()> {
        let is_alive = self.pid().is_some_and(is_alive);
        if is_alive && self.ask().and_then(|mut asking| asking.api_versions()).is_ok() {
            return Ok(());
        }
        self.kill()?;
        // What it led before it died is not known: that it answers is enough.
        let begun = Instant::now();
        let mut launched = match self.system {
            System::Yeoul => self.launch_yeoul()?,
            _ => self.launch_kafka()?,
        };
        while self.ask().and_then(|mut asking| asking.api_versions()).is_err() {
            ensure!(begun.elapsed() < START, "{} does not come back", self.system);
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        self.running = match self.system {
            System::Yeoul => Some(Running::Child(launched)),
            _ => {
                launched.wait()?;
                self.kafka_pid().map(Running::Process)
            }
        };
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let handle = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id")?;
        // It may be gone already.
        let _ = kill_process(handle, signal);
        let until = Instant::now() + STOP;
        while is_alive(pid) && Instant::now() < until {
            if let Some(Running::Child(child)) = &mut self.running {
                let _ = child.try_wait();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        if is_alive(pid) {
            let _ = kill_process(handle, Signal::KILL);
            self.running = None;
            bail!("{} did not stop within {} s and was killed", self.system, STOP.as_secs());
        }
        self.running = None;
        Ok(())
    }

    /// Makes a topic and waits until all of it is led.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> anyhow::Result<Topic> {
        let mut asking = self.ask()?;
        let topic = asking.create_topic(name, partitions, configs)?;
        asking.until_led(&topic)?;
        Ok(topic)
    }

    /// Removes a topic and waits a while for its files to go, so that they are not written to
    /// disk while something else is measured.
    pub(crate) fn remove(&self, topic: &Topic) -> anyhow::Result<()> {
        self.ask()?.delete_topic(&topic.name)?;
        let until = Instant::now() + REMOVED_WITHIN;
        let prefix = format!("{}-", topic.name);
        let is_there = || {
            let entries = fs::read_dir(self.data()).into_iter().flatten().flatten();
            entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with(&prefix))
        };
        while is_there() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Makes a topic for `work`, and removes it whatever comes of it.
    pub(crate) fn with_topic<T>(
        &self,
        partitions: i32,
        configs: &[(&str, &str)],
        work: impl FnOnce(&Topic) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let name = format!("bench-{:08x}", rand::random::<u32>());
        let topic = self.create(&name, partitions, configs)?;
        let done = work(&topic);
        let removed = self.remove(&topic);
        done.and_then(|done| removed.map(|()| done))
    }

    /// Writes its files to disk and asks the kernel to forget their pages.
    pub(crate) fn drop_page_cache(&self) -> anyhow::Result<()> {
        for partition in fs::read_dir(self.data())?.flatten() {
            for file in fs::read_dir(partition.path()).into_iter().flatten().flatten() {
                if file.path().extension().is_none_or(|extension| extension != "log") {
                    continue;
                }
                let file = File::open(file.path())?;
                rustix::fs::fdatasync(&file)?;
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
            }
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("1.log")
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("yeoul bench: {}", causes::told(&error));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a process is there and is not just waiting to be waited for. One whose first thread
/// has ended still has its sockets until the last one has.
fn is_alive(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| threads > 1 || !matches!(state, 'Z' | 'X'))
}

/// A port that is free, with the one where Kafka's controller will listen.
fn free_port() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let Some(controller) = port.checked_add(CONTROLLER) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, controller)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no two ports are free, {CONTROLLER} apart")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_has_ended() {
        assert!(is_alive(std::process::id()));
        let mut child = Command::new("true").spawn().expect("it starts");
        child.wait().expect("it ends");
        assert!(!is_alive(child.id()));
    }

    #[test]
    fn a_broker_that_does_not_start_says_so_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path().join("kafka");
        let script = dir.path().join("no-such-script");
        let mut broker = Broker::new(System::Kafka, &folder, &script).expect("a folder is made");
        let none = Led { topics: 0, partitions: 0 };
        let error = broker.start(none).expect_err("there is no script");
        assert!(error.to_string().contains("no-such-script"), "{error}");
        assert!(broker.pid().is_none());
        drop(broker);
        assert!(!folder.exists());
    }
}
