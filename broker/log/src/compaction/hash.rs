//! MurmurHash3 for 64-bit machines, of 128 bits: the keys of a pass are told apart by it.

const LOW: u64 = 0x87c3_7b91_1142_53d5;
const HIGH: u64 = 0x4cf5_ad43_2745_937f;

/// Two keys have the same hash with the odds of two random numbers of 128 bits.
pub(super) fn hash(key: &[u8]) -> [u64; 2] {
    let (mut low, mut high) = (0_u64, 0_u64);
    let (blocks, rest) = key.as_chunks::<16>();
    for block in blocks {
        let [a, b] = halves(block);
        low ^= mix_low(a);
        low = low.rotate_left(27).wrapping_add(high).wrapping_mul(5).wrapping_add(0x52dc_e729);
        high ^= mix_high(b);
        high = high.rotate_left(31).wrapping_add(low).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    let [a, b] = halves(&last);
    low ^= mix_low(a) ^ key.len() as u64;
    high ^= mix_high(b) ^ key.len() as u64;
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    low = finish(low);
    high = finish(high);
    low = low.wrapping_add(high);
    [low, high.wrapping_add(low)]
}

fn halves(block: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*block);
    [both as u64, (both >> 64) as u64]
}

fn mix_low(word: u64) -> u64 {
    word.wrapping_mul(LOW).rotate_left(31).wrapping_mul(HIGH)
}

fn mix_high(word: u64) -> u64 {
    word.wrapping_mul(HIGH).rotate_left(33).wrapping_mul(LOW)
}

fn finish(word: u64) -> u64 {
    let word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn known_hashes_come_out() {
        assert_eq!(hash(b""), [0, 0]);
        assert_eq!(hash(b"hello"), [0xcbd8_a7b3_41bd_9b02, 0x5b1e_906a_48ae_1d19]);
        let fox = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(hash(fox), [0xe34b_bc7b_bc07_1b6c, 0x7a43_3ca9_c49a_9347]);
    }

    #[test]
    fn keys_that_differ_little_have_hashes_that_differ_in_half_of_their_bits() {
        let mut seen = HashSet::new();
        let mut flipped = [0_u32; 2];
        for number in 0..20_000_u32 {
            let (one, other) = (hash(&number.to_be_bytes()), hash(&(number ^ 1).to_be_bytes()));
            flipped[0] += (one[0] ^ other[0]).count_ones();
            flipped[1] += (one[1] ^ other[1]).count_ones();
            seen.insert(one);
        }
        assert_eq!(seen.len(), 20_000);
        for bits in flipped {
            let mean = f64::from(bits) / 20_000.0;
            assert!((31.5..32.5).contains(&mean), "{mean} of 64 bits");
        }
    }

    #[test]
    fn trailing_zeros_count() {
        let keys: Vec<_> = (0..40).map(|length| vec![0_u8; length]).collect();
        let hashes: HashSet<_> = keys.iter().map(|key| hash(key)).collect();
        assert_eq!(hashes.len(), keys.len());
    }
}
