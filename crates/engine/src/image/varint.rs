//! SQLite's variable-length integers: one to nine bytes, most significant first.

/// Reads the integer at the beginning of `bytes`: its value and the bytes it takes, or `None`
/// where `bytes` ends before it does.
#[inline]
pub fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u64::from(first), 1));
    }
    let second = *bytes.get(1)?;
    if second < 0x80 {
        return Some((u64::from(first & 0x7f) << 7 | u64::from(second), 2));
    }
    let mut value = u64::from(first & 0x7f) << 7 | u64::from(second & 0x7f);
    for index in 2..8 {
        let byte = *bytes.get(index)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    // The ninth byte gives all of its eight bits.
    Some((value << 8 | u64::from(*bytes.get(8)?), 9))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn lengths_and_values() {
        assert_eq!(read(&[0x7f]), Some((127, 1)));
        assert_eq!(read(&[0x81, 0x00, 0xff]), Some((128, 2)));
        assert_eq!(read(&[0x82, 0x80, 0x01]), Some((0x8001, 3)));
        assert_eq!(read(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]), Some((1, 9)));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[0xff; 8]), None);
    }
}
