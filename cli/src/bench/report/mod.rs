//! The report: `docs/performance.md` and its picture, from the lines of the results alone. The
//! same lines make the same bytes.
//!
//! - `aims`: what is wanted, and whether it is so · `page`: the text · `picture`: the bars

mod aims;
mod page;
mod picture;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::figures::{Figures, Section};

/// Where results are, and where the report goes.
#[derive(Args)]
pub(crate) struct ReportFiles {
    /// What was measured, a JSON object a line; new figures are added to it
    #[arg(long, value_name = "FILE", default_value = "target/bench/results.jsonl")]
    pub(crate) results: PathBuf,
    /// The folder that performance.md and performance.svg are written to (docs; as long as some
    /// section was not measured, the folder of the results)
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
}

impl ReportFiles {
    /// Writes the report of all results that there are.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let figures = Figures::read(&self.results)?;
        let docs = self.folder(&figures.missing());
        std::fs::create_dir_all(&docs)?;
        for (name, text) in [
            ("performance.md", page::page(&figures)),
            ("performance.svg", picture::picture(&figures)),
        ] {
            let path = docs.join(name);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            eprintln!("written: {}", path.display());
        }
        Ok(())
    }

    /// Where the report goes. One of a few sections does not take the place of a whole one.
    fn folder(&self, missing: &[Section]) -> PathBuf {
        match &self.docs {
            Some(docs) => docs.clone(),
            None if missing.is_empty() => "docs".into(),
            None => {
                let names: Vec<String> = missing.iter().map(|section| section.name()).collect();
                eprintln!(
                    "{} does not have all sections for both systems (missing: {}), so the report \
                     goes beside it; --docs names another folder",
                    self.results.display(),
                    names.join(", ")
                );
                self.results.parent().map(Into::into).unwrap_or_default()
            }
        }
    }
}

/// A number with as many digits as it deserves.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => super::cells::thousands(value.round() as u64),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_few_sections_goes_beside_the_results() {
        let mut files = ReportFiles { results: "x/results.jsonl".into(), docs: None };
        assert_eq!(files.folder(&[]), PathBuf::from("docs"));
        assert_eq!(files.folder(&[Section::Fsync]), PathBuf::from("x"));
        files.docs = Some("y".into());
        assert_eq!(files.folder(&[Section::Fsync]), PathBuf::from("y"));
    }

    #[test]
    fn numbers_have_about_three_digits() {
        let numbers = [0.123, 1.999, 12.34, 123.4, 1234.4, 1_234_567.8];
        let texts: Vec<String> = numbers.into_iter().map(number).collect();
        assert_eq!(texts, ["0.12", "2.00", "12.3", "123", "1,234", "1,234,568"]);
    }
}
