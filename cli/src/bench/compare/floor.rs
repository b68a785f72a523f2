//! The machine without any broker: socket, checksum and file; file and socket.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{Bench, Values};
use crate::bench::cells;
use crate::bench::figures::{Metric, Section, System};
use crate::bench::free_memory;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let program = bench.scratch("floor")?;
    let file = bench.scratch("floor.data")?;
    if let Err(error) = compile(&bench.floor, &program) {
        return bench.failed(Section::Floor, cells::FLOOR_PRODUCE, System::Floor, 0, &error);
    }
    for run in 1..=bench.profile.runs {
        let (written, read) = match once(&program, &file, bench.profile.floor_gigabytes) {
            Ok((written, read)) => (Ok(values(written)), Ok(values(read))),
            Err(error) => (Err(error), Ok(Vec::new())),
        };
        bench.note(Section::Floor, cells::FLOOR_PRODUCE, System::Floor, run, written)?;
        bench.note(Section::Floor, cells::FLOOR_CONSUME, System::Floor, run, read)?;
    }
    let _ = std::fs::remove_file(program);
    Ok(())
}

fn values(seconds: f64) -> Values {
    vec![(Metric::CpuPerGigabyte, seconds)]
}

fn compile(source: &Path, program: &Path) -> anyhow::Result<()> {
    let shown = source.display();
    ensure!(source.exists(), "{shown} is not there: name the folder of the peers with --peers");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-msse4.2", "-o"]).arg(program).arg(source).arg("-lpthread");
    let output = compiler.output().context("cc does not start: a C compiler is needed")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cc does not compile {shown}: {complaint}");
    Ok(())
}

fn once(program: &Path, file: &Path, gigabytes: f64) -> anyhow::Result<(f64, f64)> {
    free_memory::warm((gigabytes * 1e9) as u64);
    let output = Command::new(program).arg(file).arg(gigabytes.to_string()).output()?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).with_context(|| format!("the floor prints {text:?}"))
}

/// From "produce 0.512 cpu s/GB, consume 0.251 cpu s/GB (...)".
fn parse(text: &str) -> Option<(f64, f64)> {
    let after = |word: &str| {
        let rest = text.split_once(word)?.1.trim_start();
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((after("produce")?, after("consume")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_floor_prints_is_read() {
        let text = "produce 0.512 cpu s/GB, consume 0.251 cpu s/GB (crc 00000000)\n";
        assert_eq!(parse(text), Some((0.512, 0.251)));
        assert_eq!(parse("produce fast"), None);
    }
}
