//! The state reader on any bytes: how they are split does not matter, and what it accepts is JSON.

use dotctl_engine::state::{EntryReader, MAX_KEY_BYTES, Members, Step};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// What one reading gave: the entries as text, key and number, then how it ended.
type Reading = (Vec<(Vec<u8>, Vec<u8>, u64)>, Option<String>);

/// Reads `data` in pieces; `piece_bytes` gives the size of each.
pub fn read(data: &[u8], mut piece_bytes: impl FnMut() -> usize) -> Reading {
    let mut reader = EntryReader::new();
    let mut rest = data;
    let mut entries = Vec::new();
    loop {
        match reader.next() {
            Ok(Step::Entry(entry)) => {
                entries.push((entry.text.to_vec(), entry.key.to_vec(), entry.number));
            }
            Ok(Step::End) => return (entries, None),
            Ok(Step::NeedInput) if rest.is_empty() => reader.end(),
            Ok(Step::NeedInput) => {
                let space = reader.space();
                let bytes = piece_bytes().clamp(1, space.len()).min(rest.len());
                let (piece, later) = rest.split_at(bytes);
                space[..bytes].copy_from_slice(piece);
                // What lies behind the piece is the caller's own and means nothing.
                for byte in space[bytes..].iter_mut().take(20) {
                    *byte = b'"';
                }
                reader.filled(bytes);
                rest = later;
            }
            Err(error) => {
                assert_eq!(reader.advance(), Err(error.clone()), "an error that goes away");
                return (entries, Some(error.to_string()));
            }
        }
    }
}

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let whole = read(data, || usize::MAX);
    let mut state = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    }) | 1;
    let pieces = read(data, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 23) as usize
    });
    assert_eq!(whole, pieces, "split input reads differently");
    for (index, (text, key, number)) in whole.0.iter().enumerate() {
        assert_eq!(*number, index as u64 + 1);
        assert!(key.len() <= MAX_KEY_BYTES);
        let parts: Vec<&RawValue> = serde_json::from_slice(text).expect("accepted text is JSON");
        assert_eq!(parts.len(), 2);
        let (name, object) = (parts[0].get(), parts[1].get());
        assert!(object.starts_with('{'));
        // `["` + `",` + `]`: no whitespace between these tokens.
        assert_eq!(text.len(), name.len() + object.len() + 3);
        // A lone surrogate is no string of serde_json's.
        if let Ok(decoded) = serde_json::from_str::<String>(name) {
            assert_eq!(decoded.as_bytes(), key);
        }
        let members = Members::of(text);
        // Nor is a lone surrogate a member's name.
        if let Ok(parsed) = serde_json::from_str::<HashMap<String, &RawValue>>(object) {
            for (name, range) in [
                ("value", &members.value),
                ("createdAt", &members.created_at),
                ("expiresAt", &members.expires_at),
            ] {
                let found = range.clone().map(|range| &text[range]);
                let expected = parsed.get(name).map(|value| value.get().as_bytes());
                assert_eq!(found, expected, "{name}");
            }
        }
        assert_eq!(read(text, || usize::MAX).0[0].0, *text, "compact text is stable");
    }
    Members::of(data);
}
