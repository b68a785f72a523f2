//! The values that are written.

use std::path::Path;

use bytes::Bytes;
use regex::Regex;

/// Where values come from.
pub(super) enum Values {
    /// Capital letters at random, so many.
    Random(usize, Letters),
    /// One of these at random.
    Chosen(Vec<Bytes>, Letters),
    /// 0, 1, 2 ... as text.
    Numbers,
}

impl Values {
    pub(super) fn random(size: usize) -> Self {
        Self::Random(size, Letters(0))
    }

    pub(super) fn next(&mut self, number: u64) -> Bytes {
        match self {
            Self::Random(size, letters) => letters.take(*size).into(),
            Self::Chosen(values, random) => {
                let below = values.len() as u128;
                let at = (u128::from(random.next()) * below) >> 64;
                values[at as usize].clone()
            }
            Self::Numbers => number.to_string().into(),
        }
    }

    /// The values in a file, with what stands between two of them: a regular expression.
    ///
    /// # Errors
    /// The file cannot be read or holds none, or the expression is none: one sentence.
    pub(super) fn of_file(path: &str, delimiter: Option<&str>) -> Result<Self, String> {
        let absolute = std::path::absolute(path);
        let absolute = absolute.as_deref().unwrap_or_else(|_| Path::new(path));
        println!("Reading payloads from: {}", absolute.display());
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| format!("--payload-file {path}: {error}"))?;
        if text.is_empty() {
            return Err(format!("File does not exist or empty file provided: {path}"));
        }
        let delimiter = Regex::new(delimiter.unwrap_or("\\n"));
        let delimiter = delimiter.map_err(|error| format!("--payload-delimiter: {error}"))?;
        let values = split(&text, &delimiter);
        println!("Number of records read: {}", values.len());
        if values.is_empty() {
            return Err(format!("--payload-file {path}: it holds nothing but delimiters"));
        }
        let values = values.into_iter().map(|value| Bytes::from(value.to_owned()));
        Ok(Self::Chosen(values.collect(), Letters(0)))
    }
}

/// What stands before, between and behind delimiters, as Java's scanner sees it: one delimiter
/// between two values, none needed at the ends.
fn split<'a>(text: &'a str, delimiter: &Regex) -> Vec<&'a str> {
    let mut values = Vec::new();
    let mut at = 0;
    loop {
        if let Some(found) = delimiter.find_at(text, at).filter(|found| found.start() == at) {
            at = found.end();
        }
        if at == text.len() {
            return values;
        }
        let next = delimiter.find_at(text, at).filter(|found| !found.is_empty());
        let end = next.map_or(text.len(), |found| found.start());
        values.push(&text[at..end]);
        at = end;
    }
}

/// Random numbers that cost little: SplitMix64. The values of a run are those of any other.
pub(super) struct Letters(u64);

impl Letters {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut letters = Vec::with_capacity(count);
        while letters.len() < count {
            let random = self.next().to_le_bytes();
            let eight = random.map(|byte| b'A' + ((u16::from(byte) * 26) >> 8) as u8);
            let left = count - letters.len();
            letters.extend_from_slice(&eight[..left.min(8)]);
        }
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_asked_for() {
        let value = Values::random(1001).next(0);
        assert_eq!(value.len(), 1001);
        let letters: std::collections::BTreeSet<u8> = value.iter().copied().collect();
        assert_eq!(letters, (b'A'..=b'Z').collect());
        assert_eq!(Values::Numbers.next(41), "41");
        let mut chosen = Values::Chosen(vec!["a".into(), "b".into()], Letters(0));
        let chosen: std::collections::BTreeSet<_> = (0..100).map(|at| chosen.next(at)).collect();
        assert_eq!(chosen.len(), 2);
    }

    #[test]
    fn a_file_is_split_as_javas_scanner_does() {
        let check = |text: &str, delimiter: &str, expected: &[&str]| {
            assert_eq!(split(text, &Regex::new(delimiter).expect("an expression")), expected);
        };
        check("a\nb\n", "\\n", &["a", "b"]);
        check("a\n\nb", "\\n", &["a", "", "b"]);
        check(",a,", ",", &["a"]);
        check("one1two22three", "[0-9]+", &["one", "two", "three"]);
        check("\n", "\\n", &[]);
    }
}
