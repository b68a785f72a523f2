//! Changes that are there as a whole or not at all although they take several batches.
//!
//! End offsets and positions say one thing only together: positions that are ahead of the end
//! offsets let records be taken for written that are not, and end offsets that are ahead of the
//! positions let records be written twice. Where they do not fit into one batch, the positions are
//! put aside first; one record, that of the end offsets, makes them count; then they are moved to
//! where positions stand.
//!
//! ```text
//! batch    writes                                   who reads the topic after it finds
//! 1..n     parts of the new positions, aside        what was there before
//! n + 1    the new end offsets, "split": number     the new end offsets, and the positions of
//! n + 2..  the new positions in their places        the parts over those in their places
//! last     the end offsets without "split",         the same, in their places
//!          and the parts are taken away
//! ```
//!
//! Whoever finds a split that was broken off behind its record finishes it before anything else is
//! written; parts that no record makes count are left aside until then.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{Changes, Checkpoint, Written, read_ends, read_ids};
use crate::plugin::Positions;

/// A key and its value; none takes the key away.
pub(super) type Entry = (String, Option<Json>);

/// What the entries of a connector say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stored {
    /// Positions in their places, and end offsets.
    placed: Checkpoint,
    /// Positions put aside, by the number of the split and of the part.
    parts: BTreeMap<(u64, u64), Positions>,
    /// The split whose parts count.
    split: Option<u64>,
    /// The highest number that a split had.
    last: u64,
}

impl From<Checkpoint> for Stored {
    fn from(placed: Checkpoint) -> Self {
        Self { placed, ..Self::default() }
    }
}

impl Stored {
    /// What holds.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = self.placed.clone();
        checkpoint.positions.extend(self.moving());
        checkpoint
    }

    /// Positions that hold and are not in their places yet.
    fn moving(&self) -> Positions {
        let of_split = self.parts.iter().filter(|((of, _), _)| self.split == Some(*of));
        of_split.flat_map(|(_, positions)| positions.clone()).collect()
    }

    /// Takes one entry, by what stands behind the connector's name in its key.
    pub(super) fn take(&mut self, partition: &Json, value: Option<Json>) {
        if let Some((of, part)) = read_part(partition) {
            self.last = self.last.max(of);
            match value {
                Some(value) => self.parts.insert((of, part), read_positions(&value)),
                None => self.parts.remove(&(of, part)),
            };
            return;
        }
        match value {
            Some(rest) if *partition == ends_partition() => {
                self.placed.written = Written {
                    ends: read_ends(&rest),
                    ids: read_ids(&rest),
                    open: rest.get("open").and_then(Json::as_bool).unwrap_or(true),
                };
                self.split = rest.get("split").and_then(Json::as_u64);
                self.last = self.last.max(self.split.unwrap_or(0));
            }
            Some(Json::Object(position)) => {
                self.placed.positions.insert(partition.to_string(), position);
            }
            _ => {
                self.placed.positions.remove(&partition.to_string());
            }
        }
    }

    /// The batches that finish a split that was broken off; none if there is nothing to finish.
    pub(super) fn unfinished(&self, connector: &str, most: usize) -> Vec<Vec<Entry>> {
        match self.split {
            Some(_) => self.finish(connector, &self.moving(), &self.placed.written, &[], most),
            None => Vec::new(),
        }
    }

    /// The batches of a change to end offsets and positions, in their order. There is no split that
    /// was broken off.
    pub(super) fn split(
        &self,
        connector: &str,
        positions: &Positions,
        written: &Written,
        most: usize,
    ) -> Vec<Vec<Entry>> {
        let of = self.last + 1;
        let mut batches = Vec::new();
        let mut keys = Vec::new();
        for (part, positions) in (0_u64..).zip(in_parts(positions, most)) {
            let key = part_key(connector, of, part);
            keys.push(key.clone());
            batches.push(vec![(key, Some(json!({"positions": positions})))]);
        }
        batches.push(vec![ends_entry(connector, written, Some(of))]);
        batches.extend(self.finish(connector, positions, written, &keys, most));
        batches
    }

    fn finish(
        &self,
        connector: &str,
        positions: &Positions,
        written: &Written,
        parts: &[String],
        most: usize,
    ) -> Vec<Vec<Entry>> {
        let mut batches = in_batches(position_entries(connector, positions), most);
        let mut last = vec![ends_entry(connector, written, None)];
        last.extend(self.left_aside(connector));
        last.extend(parts.iter().map(|key| (key.clone(), None)));
        batches.push(last);
        batches
    }

    /// Takes away all parts.
    fn left_aside(&self, connector: &str) -> impl Iterator<Item = Entry> {
        self.parts.keys().map(move |(of, part)| (part_key(connector, *of, *part), None))
    }

    /// The entries of a change in one batch. There is no split that was broken off.
    pub(super) fn whole(&self, connector: &str, changes: &Changes) -> Vec<Entry> {
        let mut entries = entries(connector, changes);
        entries.extend(self.left_aside(connector));
        entries
    }
}

/// The entries of changes: the positions, then what is written.
pub(super) fn entries(connector: &str, changes: &Changes) -> Vec<Entry> {
    let mut entries = position_entries(connector, &changes.positions);
    let written = changes.written.as_ref();
    entries.extend(written.map(|written| ends_entry(connector, written, None)));
    entries
}

/// The entries of positions as Kafka Connect keys them: the connector and the source partition.
fn position_entries(connector: &str, positions: &Positions) -> Vec<Entry> {
    let entry = |(partition, position): (&String, &Map<String, Json>)| {
        let partition = serde_json::from_str(partition).unwrap_or(Json::Null);
        (key(connector, &partition), Some(Json::Object(position.clone())))
    };
    let mut entries: Vec<Entry> = positions.iter().map(entry).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

/// The entry of what is written, whose partition is `{"yeoul": "ends"}`.
fn ends_entry(connector: &str, written: &Written, split: Option<u64>) -> Entry {
    let ends: Map<String, Json> = written
        .ends
        .iter()
        .map(|(topic, ends)| {
            let ends = ends.iter().map(|(partition, end)| (partition.to_string(), json!(end)));
            (topic.clone(), Json::Object(ends.collect()))
        })
        .collect();
    let mut rest = json!({"ends": ends, "ids": written.ids, "open": written.open});
    if let Some(split) = split {
        rest["split"] = json!(split);
    }
    (key(connector, &ends_partition()), Some(rest))
}

fn key(connector: &str, partition: &Json) -> String {
    json!([connector, partition]).to_string()
}

fn part_key(connector: &str, of: u64, part: u64) -> String {
    key(connector, &json!({"yeoul": "split", "of": of, "part": part}))
}

fn ends_partition() -> Json {
    json!({"yeoul": "ends"})
}

fn read_part(partition: &Json) -> Option<(u64, u64)> {
    let of = |name: &str| partition.get(name).and_then(Json::as_u64);
    let is_part = partition.get("yeoul").and_then(Json::as_str) == Some("split");
    if is_part { Some((of("of")?, of("part")?)) } else { None }
}

fn read_positions(value: &Json) -> Positions {
    let positions = value.get("positions").and_then(Json::as_object);
    let position = |(partition, position): (&String, &Json)| {
        Some((partition.clone(), position.as_object()?.clone()))
    };
    positions.into_iter().flatten().filter_map(position).collect()
}

/// Cuts positions into parts of about as many bytes, or of one position.
fn in_parts(positions: &Positions, most: usize) -> Vec<Map<String, Json>> {
    let mut parts: Vec<(usize, Map<String, Json>)> = Vec::new();
    for (partition, position) in positions {
        let position = Json::Object(position.clone());
        let bytes = partition.len() + position.to_string().len();
        match parts.last_mut() {
            Some((size, part)) if *size + bytes <= most => {
                *size += bytes;
                part.insert(partition.clone(), position);
            }
            _ => parts.push((bytes, Map::from_iter([(partition.clone(), position)]))),
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Cuts entries into batches of at most as many bytes of keys and values, or of one entry.
pub(super) fn in_batches(entries: Vec<Entry>, most: usize) -> Vec<Vec<Entry>> {
    let mut batches: Vec<(usize, Vec<Entry>)> = Vec::new();
    for (key, value) in entries {
        let bytes = key.len() + value.as_ref().map_or(0, |value| value.to_string().len());
        match batches.last_mut() {
            Some((size, batch)) if *size + bytes <= most => {
                *size += bytes;
                batch.push((key, value));
            }
            _ => batches.push((bytes, vec![(key, value)])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

#[cfg(test)]
mod tests {
    use super::super::take_entry;
    use super::*;

    fn positions(range: std::ops::Range<u64>, at: u64) -> Positions {
        let position = |file: u64| {
            let position = json!({"position": at}).as_object().cloned().expect("an object");
            (json!({"filename": format!("{file}.csv")}).to_string(), position)
        };
        range.map(position).collect()
    }

    fn written(end: i64) -> Written {
        Written {
            ends: BTreeMap::from([("t".into(), BTreeMap::from([(0, end)]))]),
            ids: BTreeMap::new(),
            open: true,
        }
    }

    /// What a worker finds that reads these batches, one after the other.
    fn read<'a>(batches: impl IntoIterator<Item = &'a Vec<Entry>>) -> Stored {
        let mut found = BTreeMap::new();
        for (key, value) in batches.into_iter().flatten() {
            let value = value.as_ref().map(Json::to_string);
            take_entry(&mut found, key.as_bytes(), value.as_deref().map(str::as_bytes));
        }
        found.remove("c").unwrap_or_default()
    }

    const MOST: usize = 120;

    #[test]
    fn a_split_that_is_broken_off_anywhere_is_there_as_a_whole_or_not_at_all() {
        let before = Checkpoint { positions: positions(0..4, 1), written: written(10) };
        let changes =
            Changes { positions: before.positions.clone(), written: Some(before.written.clone()) };
        let first = entries("c", &changes);
        let stored = read([&first]);
        assert_eq!(stored.checkpoint(), before);
        let mut after = before.clone();
        let changes = Changes { positions: positions(2..8, 5), written: Some(written(70)) };
        after.apply(&changes);
        let batches = stored.split("c", &changes.positions, &written(70), MOST);
        let mut found_after = 0;
        for kill in 0..=batches.len() {
            let found = read([&first].into_iter().chain(&batches[..kill]));
            let holds = found.checkpoint();
            assert!(holds == before || (holds == after && kill > 0), "{kill}: {holds:?}");
            assert!(found_after == 0 || holds == after, "{kill}: it has gone back");
            found_after += usize::from(holds == after);
            again(std::slice::from_ref(&first), &batches[..kill], &found);
        }
        assert!(found_after > 2 && found_after < batches.len(), "{found_after}");
        let whole = read([&first].into_iter().chain(&batches));
        assert_eq!(whole, Stored { last: 1, ..after.into() }, "nothing is left aside");
    }

    /// The next worker finishes what it finds, then makes a split of its own that is broken off.
    fn again(first: &[Vec<Entry>], done: &[Vec<Entry>], found: &Stored) {
        let finish = found.unfinished("c", MOST);
        let done: Vec<&Vec<Entry>> = first.iter().chain(done).collect();
        for kill in 0..=finish.len() {
            let again = read(done.iter().copied().chain(&finish[..kill]));
            assert_eq!(again.checkpoint(), found.checkpoint(), "finished up to {kill}");
        }
        let finished = read(done.iter().copied().chain(&finish));
        assert_eq!(finished.unfinished("c", MOST), Vec::<Vec<Entry>>::new());
        let changes = Changes { positions: positions(0..6, 9), written: Some(written(99)) };
        let batches = finished.split("c", &changes.positions, &written(99), MOST);
        let (before, mut after) = (finished.checkpoint(), finished.checkpoint());
        after.apply(&changes);
        for kill in 0..=batches.len() {
            let read = read(done.iter().copied().chain(&finish).chain(&batches[..kill]));
            let holds = read.checkpoint();
            assert!(holds == before || holds == after, "{kill} of the next: {holds:?}");
        }
        let whole = read(done.iter().copied().chain(&finish).chain(&batches));
        let expected = Stored { last: whole.last, ..after.into() };
        assert_eq!(whole, expected, "nothing is left aside");
        let one = finished.whole("c", &changes);
        let whole = read(done.iter().copied().chain(&finish).chain([&one]));
        assert_eq!(whole.checkpoint(), expected.checkpoint());
        assert!(whole.parts.is_empty(), "nothing is left aside");
    }

    #[test]
    fn entries_are_cut_into_batches_of_a_size() {
        let entry = |bytes: usize| ("x".repeat(bytes), None);
        let entries: Vec<Entry> = [3, 3, 3, 20, 1].map(entry).into();
        let sizes: Vec<usize> = in_batches(entries.clone(), 7).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        assert_eq!(in_batches(entries, usize::MAX).len(), 1);
        assert_eq!(in_batches(Vec::new(), 7).len(), 0);
    }
}
