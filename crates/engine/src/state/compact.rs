//! Whitespace between tokens, taken out in place.

/// Moves the tokens of checked JSON together at its start and returns how many bytes they fill.
pub(crate) fn compact(text: &mut [u8]) -> usize {
    let mut read = 0;
    let mut written = 0;
    while let Some(token) = text.get(read..).filter(|rest| !rest.is_empty()) {
        let skipped = token.iter().take_while(|byte| super::scan::is_whitespace(**byte)).count();
        let kept = token.get(skipped..).map_or(0, stretch_bytes);
        read += skipped;
        text.copy_within(read..read + kept, written);
        read += kept;
        written += kept;
    }
    written
}

/// Bytes up to the next whitespace between tokens.
fn stretch_bytes(text: &[u8]) -> usize {
    let mut position = 0;
    while let Some(byte) = text.get(position) {
        match byte {
            b'"' => position = super::members::after_string(text, position + 1),
            byte if super::scan::is_whitespace(*byte) => break,
            _ => position += 1,
        }
    }
    position.min(text.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_whitespace_outside_strings_goes() {
        let mut text = b" [ \"a b\\\" \\\\\" ,\r\n\t{ } , 1 , [ ] ] ".to_vec();
        let bytes = compact(&mut text);
        assert_eq!(&text[..bytes], b"[\"a b\\\" \\\\\",{},1,[]]");
    }
}
