//! An object of a bucket that is read at any place: in blocks, of which a few stay in memory.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dotctl_engine::{Error, ErrorKind, Result};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::dotdo::Objects;

/// Bytes that are fetched together: a page of Parquet has about as many.
const BLOCK_BYTES: u64 = 1 << 20;

/// Blocks that stay in memory: rows are put together from as many columns.
const BLOCKS_MAX: usize = 24;

/// An object on its way through blocks.
#[derive(Clone)]
pub struct ObjectBlocks(Arc<Shared>);

struct Shared {
    objects: Arc<dyn Objects + Send + Sync>,
    key: String,
    bytes: u64,
    /// The one that was used last comes last.
    blocks: Mutex<Vec<(u64, Bytes)>>,
}

impl ObjectBlocks {
    /// The object `key` of `bytes`.
    pub fn new(objects: Arc<dyn Objects + Send + Sync>, key: String, bytes: u64) -> Self {
        ObjectBlocks(Arc::new(Shared { objects, key, bytes, blocks: Mutex::default() }))
    }

    fn block(&self, number: u64) -> Result<Bytes> {
        let mut blocks = self.0.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = blocks.iter().position(|(held, _)| *held == number) {
            let found = blocks.remove(place);
            let block = found.1.clone();
            blocks.push(found);
            return Ok(block);
        }
        let offset = number * BLOCK_BYTES;
        let wanted = self.0.bytes.saturating_sub(offset).min(BLOCK_BYTES);
        let mut block = vec![0; usize::try_from(wanted).unwrap_or(0)];
        match self.0.objects.read_at(&self.0.key, offset, &mut block)? {
            Some(bytes) if bytes == block.len() => {}
            _ => return Err(Error::new(ErrorKind::Io, "the object changed while it was read")),
        }
        if blocks.len() >= BLOCKS_MAX {
            blocks.remove(0);
        }
        let block = Bytes::from(block);
        blocks.push((number, block.clone()));
        Ok(block)
    }

    /// What is there from `offset` on, up to a block's end.
    fn rest_of_block(&self, offset: u64) -> Result<Bytes> {
        if offset >= self.0.bytes {
            return Ok(Bytes::new());
        }
        let mut block = self.block(offset / BLOCK_BYTES)?;
        let skipped = usize::try_from(offset % BLOCK_BYTES).unwrap_or(0);
        Ok(block.split_off(skipped.min(block.len())))
    }
}

impl Length for ObjectBlocks {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for ObjectBlocks {
    type T = ObjectBlocksReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(ObjectBlocksReader { blocks: self.clone(), offset: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.0.bytes) {
            return Err(ParquetError::EOF("the file ends too early".to_owned()));
        }
        let failed = |error: Error| ParquetError::External(Box::new(error));
        let mut first = self.rest_of_block(start).map_err(failed)?;
        if first.len() >= length {
            first.truncate(length);
            return Ok(first);
        }
        let mut all = Vec::with_capacity(length);
        while all.len() < length {
            let part = self.rest_of_block(start + all.len() as u64).map_err(failed)?;
            let taken = part.len().min(length - all.len());
            all.extend_from_slice(part.get(..taken).unwrap_or_default());
        }
        Ok(Bytes::from(all))
    }
}

/// Reads on from a place.
pub struct ObjectBlocksReader {
    blocks: ObjectBlocks,
    offset: u64,
}

impl Read for ObjectBlocksReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let part = self.blocks.rest_of_block(self.offset).map_err(io::Error::other)?;
        let bytes = part.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..bytes), part.get(..bytes)) {
            to.copy_from_slice(from);
        }
        self.offset += bytes as u64;
        Ok(bytes)
    }
}
