//! Lines of a log, one after the other.

use dotctl_engine::{Error, Result};

use crate::input::Input;

/// The longest line that is taken.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Gives each line that is not empty, without its end.
pub fn each_line(mut input: Input, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut block = vec![0; 256 << 10];
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let bytes = input.read(&mut block)?;
        let mut new = block.get(..bytes).unwrap_or_default();
        while let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            let (line, after) = new.split_at(end);
            rest.extend_from_slice(line);
            let line = rest.trim_ascii();
            if !line.is_empty() {
                visit(line)?;
            }
            rest.clear();
            new = after.get(1..).unwrap_or_default();
        }
        rest.extend_from_slice(new);
        if rest.len() > LINE_BYTES_MAX {
            return Err(Error::unsupported(format!("a line is longer than {LINE_BYTES_MAX} bytes"))
                .at(input.name().to_owned()));
        }
        if bytes == 0 {
            let line = rest.trim_ascii();
            return if line.is_empty() { Ok(()) } else { visit(line) };
        }
    }
}
