//! What does not agree between the files, which is reported after all of them are dumped.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// Findings by file, in the order in which Kafka prints them.
#[derive(Default)]
pub(super) struct Findings {
    /// Index offsets and what the log has there, the largest first.
    index_mismatches: ByFile<BTreeMap<i64, i64>>,
    time_mismatches: ByFile<Vec<(i64, i64)>>,
    times_out_of_order: ByFile<Vec<(i64, i64)>>,
    offsets_not_found: ByFile<Vec<(i64, i64)>>,
    /// An offset and the one that follows it.
    gaps: ByFile<BTreeMap<i64, i64>>,
}

impl Findings {
    pub(super) fn index_mismatch(&mut self, file: &str, indexed: i64, found: i64) {
        self.index_mismatches.of(file).insert(indexed, found);
    }

    pub(super) fn time_mismatch(&mut self, file: &str, indexed: i64, found: i64) {
        self.time_mismatches.of(file).push((indexed, found));
    }

    pub(super) fn time_out_of_order(&mut self, file: &str, indexed: i64, previous: i64) {
        self.times_out_of_order.of(file).push((indexed, previous));
    }

    pub(super) fn offset_not_found(&mut self, file: &str, indexed: i64, found: i64) {
        self.offsets_not_found.of(file).push((indexed, found));
    }

    pub(super) fn gap(&mut self, file: &str, offset: i64, next: i64) {
        self.gaps.of(file).insert(offset, next);
    }

    pub(super) fn print(&self, err: &mut dyn Write) -> io::Result<()> {
        for (file, mismatches) in self.index_mismatches.in_order() {
            writeln!(err, "Mismatches in :{file}")?;
            for (indexed, found) in mismatches.iter().rev() {
                writeln!(err, "  Index offset: {indexed}, log offset: {found}")?;
            }
        }
        for (file, mismatches) in self.time_mismatches.in_order() {
            writeln!(err, "Found timestamp mismatch in :{file}")?;
            for (indexed, found) in mismatches {
                writeln!(err, "  Index timestamp: {indexed}, log timestamp: {found}")?;
            }
        }
        for (file, pairs) in self.times_out_of_order.in_order() {
            writeln!(err, "Found out of order timestamp in :{file}")?;
            for (indexed, previous) in pairs {
                writeln!(
                    err,
                    "  Index timestamp: {indexed}, Previously indexed timestamp: {previous}"
                )?;
            }
        }
        for (file, pairs) in self.offsets_not_found.in_order() {
            writeln!(err, "The following indexed offsets are not found in :{file}")?;
            for (indexed, found) in pairs {
                writeln!(err, "Indexed offset: {indexed}, found log offset: {found}")?;
            }
        }
        for (file, gaps) in self.gaps.in_order() {
            writeln!(err, "Non-consecutive offsets in {file}")?;
            for (offset, next) in gaps {
                writeln!(err, "  {offset} is followed by {next}")?;
            }
        }
        Ok(())
    }
}

/// Values by file, told in the order of a Java hash map.
#[derive(Default)]
struct ByFile<T>(Vec<(String, T)>);

impl<T: Default> ByFile<T> {
    fn of(&mut self, file: &str) -> &mut T {
        let index = self.0.iter().position(|(name, _)| name == file).unwrap_or_else(|| {
            self.0.push((file.to_owned(), T::default()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    fn in_order(&self) -> impl Iterator<Item = (&str, &T)> {
        let mut buckets: usize = 16;
        while self.0.len() > buckets / 4 * 3 {
            buckets *= 2;
        }
        let mut files: Vec<_> = self.0.iter().collect();
        // The sort is stable: within a bucket the file that came first is the first.
        files.sort_by_key(|(name, _)| java_hash(name) as usize & (buckets - 1));
        files.into_iter().map(|(name, value)| (name.as_str(), value))
    }
}

fn java_hash(text: &str) -> u32 {
    let hash = text
        .encode_utf16()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}
