//! What is written in order, to a file or to stdout.

use std::path::Path;

use dotctl_engine::Result;
use dotctl_stores::target::Target;

use crate::output::print;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// Where bytes go.
enum Written {
    Stdout,
    File { target: Target, offset: u64 },
}

/// Bytes on their way to stdout or to a file, which appears once all of it is there.
pub struct Sink {
    write: Written,
    buffer: Vec<u8>,
}

impl Sink {
    /// To stdout.
    pub fn stdout() -> Self {
        Sink { write: Written::Stdout, buffer: Vec::new() }
    }

    /// To the file at `path`, where `-` is stdout; `replace`: it may be there.
    pub fn to(path: &Path, replace: bool) -> Result<Self> {
        let write = match path.as_os_str() == "-" {
            true => Written::Stdout,
            false => Written::File { target: Target::begin(path, 0, replace)?, offset: 0 },
        };
        Ok(Sink { write, buffer: Vec::new() })
    }

    /// Adds `bytes` behind what was written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        match &mut self.write {
            Written::Stdout => print(&self.buffer)?,
            Written::File { target, offset } => {
                target.write_at(*offset, &self.buffer)?;
                *offset += self.buffer.len() as u64;
            }
        }
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left, and gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        match self.write {
            Written::Stdout => Ok(()),
            Written::File { target, .. } => target.publish(),
        }
    }
}
