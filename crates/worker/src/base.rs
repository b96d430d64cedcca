//! What a checkpoint has of the rows that are asked for, in the order of their keys.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::find_line;
use dotctl_engine::format::Manifest;

use crate::chain::{ChainLines, Places};

/// Goes forward through a checkpoint's lines; stretches that nobody asks for are not read.
pub struct BaseLines<'a> {
    chain: ChainLines<'a>,
    piece: Vec<u8>,
    /// Where in the piece the next line begins.
    at: usize,
    is_begun: bool,
}

impl<'a> BaseLines<'a> {
    /// Those of `manifest`, a checkpoint of rows.
    pub async fn new(places: &'a Places, manifest: &'a Manifest) -> Result<Self> {
        let chain = ChainLines::new(places, manifest).await?;
        Ok(BaseLines { chain, piece: Vec::new(), at: 0, is_begun: false })
    }

    /// Moves to the first line whose key is not below `key`, and says whether it has that key. Keys ascend.
    pub async fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let is_behind = !self.is_begun || self.chain.border().is_some_and(|border| border <= key);
        if is_behind {
            self.is_begun = true;
            self.at = 0;
            self.chain.piece_from(key.to_vec(), &mut self.piece).await?;
        }
        let (at, is_there) = find_line(&self.piece, self.at, key)?;
        self.at = at;
        Ok(is_there)
    }

    /// The line it has moved to, without its line feed; none behind the last.
    pub async fn line(&mut self) -> Result<Option<&[u8]>> {
        while self.at >= self.piece.len() {
            let Some(border) = self.chain.border() else {
                return Ok(None);
            };
            self.at = 0;
            self.chain.piece_from(border.to_vec(), &mut self.piece).await?;
        }
        Ok(Some(self.current()))
    }

    fn current(&self) -> &[u8] {
        let rest = self.piece.get(self.at..).unwrap_or_default();
        rest.split(|byte| *byte == b'\n').next().unwrap_or_default()
    }

    /// Moves behind that line.
    pub fn pass(&mut self) {
        self.at = self.at.saturating_add(self.current().len() + 1);
    }
}
