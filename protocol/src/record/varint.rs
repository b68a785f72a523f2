//! Signed numbers of variable length, zigzag encoded, as records have them.

/// Reads from `bytes` at `*at` and moves it on; `None` where the number does not end or is too
/// long. `at` is left as it was then.
pub(crate) fn read_i64(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0_u64;
    for (group, byte) in bytes.get(*at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            *at += group + 1;
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Like [`read_i64`], in at most five bytes.
pub(crate) fn read_i32(bytes: &[u8], at: &mut usize) -> Option<i32> {
    let mut value = 0_u32;
    for (group, byte) in bytes.get(*at..)?.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            *at += group + 1;
            return Some((value >> 1) as i32 ^ -((value & 1) as i32));
        }
    }
    None
}

pub(crate) fn write_i64(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_i64(out, i64::from(value));
}

/// The bytes that [`write_i64`] writes.
pub(crate) fn size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_number_survives() {
        for shift in 0..64 {
            for value in [1_i64 << shift, -1_i64 << shift, (1_i64 << shift).wrapping_sub(1)] {
                let mut bytes = Vec::new();
                write_i64(&mut bytes, value);
                assert_eq!(bytes.len(), size(value));
                let mut at = 0;
                assert_eq!(read_i64(&bytes, &mut at), Some(value));
                assert_eq!(at, bytes.len());
                if let Ok(small) = i32::try_from(value) {
                    at = 0;
                    assert_eq!(read_i32(&bytes, &mut at), Some(small));
                }
            }
        }
    }

    #[test]
    fn a_number_without_end_is_refused() {
        assert_eq!(read_i64(&[0xff; 11], &mut 0), None);
        assert_eq!(read_i32(&[0xff; 6], &mut 0), None);
        assert_eq!(read_i64(&[0x80], &mut 0), None);
        assert_eq!(read_i64(&[], &mut 0), None);
    }
}
