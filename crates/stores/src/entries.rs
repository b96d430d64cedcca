//! The entries of a state source, one after the other.

use crate::input::Input;
use dotctl_engine::Result;
use dotctl_engine::state::{Entry, EntryReader, Form, Progress};

/// Reads the entries of an open source.
pub struct StateEntries {
    input: Input,
    reader: EntryReader,
}

impl StateEntries {
    /// The entries of `input`, which is at its start.
    pub fn new(input: Input) -> Self {
        StateEntries { input, reader: EntryReader::new() }
    }

    /// The next entry, in the source's order.
    ///
    /// # Errors
    /// The input's and the reader's, naming the source.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        loop {
            let progress = self.reader.advance();
            match progress.map_err(|error| error.at(self.input.name()))? {
                Progress::Entry => return Ok(Some(self.reader.entry())),
                Progress::End => return Ok(None),
                Progress::NeedInput => match self.input.read(self.reader.space())? {
                    0 => self.reader.end(),
                    bytes => self.reader.filled(bytes),
                },
            }
        }
    }

    /// The entry that [`StateEntries::next`] gave last.
    pub fn entry(&self) -> Entry<'_> {
        self.reader.entry()
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.reader.entries()
    }

    /// Whether the source is an array or lines, as soon as that is known.
    pub fn form(&self) -> Option<Form> {
        self.reader.form()
    }
}
