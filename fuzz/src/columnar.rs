//! Columns out of any bytes, and any lines through columns and back.
//!
//! Byte 0 of the input chooses: even, the rest are columns of a chunk of as many bytes as bytes 1 and 2 say;
//! odd, the rest are lines.

use dotctl_engine::columnar::{read, write};

pub fn fuzz(data: &[u8]) {
    match data {
        [choice, low, high, columns @ ..] if choice % 2 == 0 => {
            let mut raw = vec![0; usize::from(u16::from_le_bytes([*low, *high]))];
            if read(columns, &mut raw).is_ok() {
                // What came out goes the same way again.
                lines(&raw);
            }
        }
        [_, text @ ..] => lines(&[text, b"\n"].concat()),
        [] => {}
    }
}

fn lines(raw: &[u8]) {
    if let Some(columns) = write(raw) {
        assert!(columns.bytes.len() < raw.len(), "columns are shorter");
        let mut again = vec![0; raw.len()];
        read(&columns.bytes, &mut again).expect("what was written is read");
        assert!(again == raw, "lines come back as they were");
    }
}
