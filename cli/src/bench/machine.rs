//! Where and from what a measurement is made.

use std::process::Command;

use super::figures::Session;
use super::usage;

/// This machine, this checkout, this moment.
pub(super) fn session() -> Session {
    Session {
        began: chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string(),
        commit: commit(),
        command: command(std::env::args()),
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory(&read("/proc/meminfo")),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// As it would be typed: the program by its name alone, and what has blanks in quotes.
fn command(mut arguments: impl Iterator<Item = String>) -> String {
    let program = arguments.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    let arguments = arguments.map(|argument| match argument.contains(char::is_whitespace) {
        true => format!("\"{argument}\""),
        false => argument,
    });
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn commit() -> String {
    let mut git = Command::new("git");
    let output = git.args(["describe", "--always", "--dirty", "--exclude=*"]).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn memory(meminfo: &str) -> u64 {
    usage::kibibytes(meminfo, "MemTotal:").unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_proc() {
        assert_eq!(memory("MemFree: 1 kB\nMemTotal:       24684544 kB\n"), 25_276_973_056);
        assert_eq!(field("model name\t: AMD EPYC\n", "model name"), Some("AMD EPYC"));
        assert_eq!(field("", "model name"), None);
        let words = ["/opt/bin/yeoul", "bench", "--quick", "--cells", "1 KiB"].map(str::to_owned);
        assert_eq!(command(words.into_iter()), "yeoul bench --quick --cells \"1 KiB\"");
        assert!(session().cores >= 1);
    }
}
