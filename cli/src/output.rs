//! Standard output, whose reader may be gone before the command is through.

use std::io::{ErrorKind, Result, StdoutLock, Write};
use std::panic::PanicHookInfo;

/// From now on a print that fails ends the process instead of a panic's report: in silence where
/// the reader is gone, as behind `| head`, where Kafka's tools end in silence as well; else with
/// the reason. Not for servers, which go on whoever reads what they print.
pub(crate) fn end_with_its_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| match failed_print(info) {
        Some(Print { on, reason, status }) => {
            if status != 0 {
                // Whoever reads standard error may be gone as well.
                let _ = writeln!(std::io::stderr(), "{on} cannot be written: {reason}");
            }
            std::process::exit(status);
        }
        None => report(info),
    }));
}

/// Prints a line of a server, which goes on whoever reads it.
#[cfg(feature = "platform")]
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

struct Print<'a> {
    on: &'static str,
    reason: &'a str,
    status: i32,
}

/// The macros of the standard library panic where they cannot print, with these words.
fn failed_print<'a>(info: &'a PanicHookInfo<'_>) -> Option<Print<'a>> {
    let text = info.payload().downcast_ref::<String>()?.strip_prefix("failed printing to std")?;
    let (stream, reason) = text.split_once(": ")?;
    let on = if stream == "err" { "standard error" } else { "standard output" };
    let gone = stream == "out" && reason.starts_with("Broken pipe");
    Some(Print { on, reason, status: i32::from(!gone) })
}

/// Standard output for those who write to it: a reader that is gone ends the process in silence.
pub(crate) struct Output(StdoutLock<'static>);

impl Output {
    pub(crate) fn lock() -> Self {
        Self(std::io::stdout().lock())
    }
}

fn unless_gone<T>(written: Result<T>) -> Result<T> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written,
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        unless_gone(self.0.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        unless_gone(self.0.flush())
    }
}
