//! Blocks of LZ4 that are searched for longer matches: smaller than those of the fast compressor,
//! and slower to make, the more so the higher the level. Any LZ4 reader reads them.

/// The shortest match that a block can hold.
const LEAST_MATCH: usize = 4;
/// A block ends in so many bytes that are no match, and no match begins in the last twelve.
const LAST_LITERALS: usize = 5;
const LAST_START: usize = 12;

const HASH_BITS: u32 = 15;
/// No position: the end of a chain.
const NONE: u32 = u32::MAX;

/// The memory of a search, for one block after another, each of 64 KiB at most, so that a match may
/// lie anywhere before.
pub(crate) struct HighCompressor {
    /// How many earlier places are looked at for a match.
    attempts: usize,
    /// By hash of four bytes: the last position that has it.
    heads: Vec<u32>,
    /// By position: the one before it with the same hash.
    chain: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Match {
    distance: usize,
    length: usize,
}

impl HighCompressor {
    /// A level from 1 on doubles the places that the level before looks at; from 17 on all are.
    pub(crate) fn new(level: i32) -> Self {
        let attempts = 1_usize << (level.clamp(1, 17) - 1);
        Self { attempts, heads: Vec::new(), chain: Vec::new() }
    }

    /// Appends a block's compressed form, which may be longer than the block.
    pub(crate) fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) {
        self.heads.clear();
        self.heads.resize(1 << HASH_BITS, NONE);
        self.chain.clear();
        let mut anchor = 0;
        let mut at = 0;
        while at + LAST_START <= block.len() {
            let Some(mut found) = self.search(block, at) else {
                at += 1;
                continue;
            };
            // A longer match that begins one byte later is worth a literal.
            while at + 1 + LAST_START <= block.len()
                && let Some(later) = self.search(block, at + 1)
                && later.length > found.length + 1
            {
                (at, found) = (at + 1, later);
            }
            write(&block[anchor..at], Some(found), out);
            at += found.length;
            anchor = at;
        }
        write(&block[anchor..], None, out);
    }

    /// The longest match of what begins at a position, the nearest of several.
    fn search(&mut self, block: &[u8], at: usize) -> Option<Match> {
        self.note_before(block, at);
        let most = block.len() - LAST_LITERALS - at;
        let mut best: Option<Match> = None;
        let mut place = self.heads[hash(block, at)];
        for _ in 0..self.attempts {
            if place == NONE {
                break;
            }
            let earlier = place as usize;
            let so_far = best.map_or(LEAST_MATCH - 1, |found| found.length);
            if so_far >= most {
                break;
            }
            if block[earlier + so_far] == block[at + so_far] {
                let length = common(&block[earlier..], &block[at..], most);
                if length > so_far {
                    best = Some(Match { distance: at - earlier, length });
                }
            }
            place = self.chain[earlier];
        }
        best
    }

    /// Takes in all positions below one.
    fn note_before(&mut self, block: &[u8], at: usize) {
        for position in self.chain.len()..at {
            let head = &mut self.heads[hash(block, position)];
            self.chain.push(*head);
            *head = position as u32;
        }
    }
}

/// Of four bytes, which a position that is noted always has: it lies twelve before the end.
fn hash(block: &[u8], at: usize) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&block[at..at + 4]);
    (u32::from_le_bytes(bytes).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize
}

/// How many bytes two stretches begin with in common, at most `most`.
fn common(one: &[u8], other: &[u8], most: usize) -> usize {
    let pairs = one.iter().zip(&other[..most]);
    pairs.take_while(|(one, other)| one == other).count()
}

/// Literals, and the match behind them, which only the last ones have not.
fn write(literals: &[u8], found: Option<Match>, out: &mut Vec<u8>) {
    let more = found.map_or(0, |found| found.length - LEAST_MATCH);
    out.push(((literals.len().min(15) << 4) | more.min(15)) as u8);
    write_length(literals.len(), out);
    out.extend_from_slice(literals);
    if let Some(found) = found {
        out.extend_from_slice(&(found.distance as u16).to_le_bytes());
        write_length(more, out);
    }
}

/// What of a length the token has no room for.
fn write_length(length: usize, out: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(15) else { return };
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compressed(level: i32, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        HighCompressor::new(level).compress(block, &mut out);
        let mut back = vec![0; block.len()];
        assert_eq!(lz4_flex::block::decompress_into(&out, &mut back).unwrap(), block.len());
        assert_eq!(back, block);
        out
    }

    /// Words in an order that repeats only in parts.
    fn text() -> Vec<u8> {
        let words = ["the", "river", "runs", "fast", "over", "stones", "and", "on", "to", "sea"];
        let mut seed = 7_u32;
        let mut text = Vec::new();
        while text.len() < 60_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.extend_from_slice(words[(seed >> 16) as usize % words.len()].as_bytes());
            text.push(b' ');
        }
        text
    }

    #[test]
    fn a_higher_level_makes_it_smaller() {
        let text = text();
        let sizes: Vec<usize> =
            [1, 4, 8, 12].into_iter().map(|level| compressed(level, &text).len()).collect();
        assert!(sizes.is_sorted_by(|one, next| one > next), "{sizes:?}");
        assert!(*sizes.last().unwrap() < lz4_flex::block::compress(&text).len(), "{sizes:?}");
    }

    #[test]
    fn runs_and_blocks_too_short_for_a_match_come_back() {
        for length in [0, 1, 4, 5, 11, 12, 13, 16, 17, 270, 65_535, 65_536] {
            let run = compressed(17, &vec![7; length]);
            assert!(run.len() <= length / 200 + 24, "{length}: {}", run.len());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_compressed_comes_back(
            parts in prop::collection::vec((0..4_usize, 1..200_usize), 0..60),
            noise in prop::collection::vec(any::<u8>(), 800),
            level in 1..18,
        ) {
            let block: Vec<u8> =
                parts.iter().flat_map(|(start, length)| &noise[start * 200..][..*length]).copied()
                    .collect();
            prop_assert!(compressed(level, &block).len() <= block.len() + block.len() / 255 + 16);
        }
    }
}
