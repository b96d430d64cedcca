//! Reading little-endian fields out of stored bytes.

use crate::error::{Error, Result};

/// A cursor over stored bytes; running out of them is an error that names `what`.
pub struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Fields { what, rest: bytes }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| Error::corrupt(format!("{} ends early", self.what)))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn hash(&mut self) -> Result<crate::id::Hash> {
        self.array::<32>().map(Into::into)
    }

    pub fn expect(&mut self, magic: &[u8]) -> Result<()> {
        if self.take(magic.len())? == magic {
            Ok(())
        } else {
            Err(Error::corrupt(format!("{} does not begin as one", self.what)))
        }
    }

    pub fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::corrupt(format!("{} has {} bytes too many", self.what, self.rest.len())))
        }
    }
}
