//! Following overflow chains with few reads.

use super::page_map::PageMap;
use super::scan::RUN_BYTES;
use crate::error::{Error, Result};
use crate::image::PageReader;
use crate::image::btree::{Cell, Chain, place};
use crate::image::geometry::Geometry;

/// What following a chain came to.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Pages of the chain.
    pub pages: u64,
    /// Why it ended too early.
    pub damage: Option<Error>,
}

/// Follows chains. Their pages mostly lie one behind the other, so it reads ahead as long as that
/// proves right.
pub(super) struct Follower<'a> {
    reader: &'a dyn PageReader,
    map: &'a PageMap,
    geometry: Geometry,
    buffer: Vec<u8>,
    /// Pages to read next time.
    ahead: u32,
}

impl<'a> Follower<'a> {
    pub fn new(reader: &'a dyn PageReader, map: &'a PageMap, geometry: Geometry) -> Self {
        Follower { reader, map, geometry, buffer: Vec::new(), ahead: 1 }
    }

    /// Gives every part of a payload that lies in overflow pages to `sink`. Each page is claimed,
    /// so no chain is followed twice or in circles. `window` are pages at hand: the number of the
    /// first, and their bytes.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn follow(
        &mut self,
        cell: &Cell<'_>,
        window: (u32, &[u8]),
        mut sink: impl FnMut(&[u8]),
    ) -> Result<Followed> {
        let mut followed = Followed::default();
        let Some(mut chain) = Chain::of(cell) else {
            return Ok(followed);
        };
        let page_bytes = self.geometry.page_bytes as usize;
        let most = (RUN_BYTES / page_bytes).max(1) as u32;
        // The pages in the buffer: the first one's number and how many.
        let mut held = (0_u32, 0_u32);
        while let Some(number) = chain.next_page() {
            if !self.map.claim(number) {
                followed.damage = Some(Error::malformed("the overflow page is used twice").at(place(number)));
                break;
            }
            let (window_first, window_bytes) = window;
            let at = |first: u32| number.checked_sub(first).map(|page| page as usize * page_bytes);
            let in_window = at(window_first).and_then(|from| window_bytes.get(from..from + page_bytes));
            let bytes = match in_window {
                Some(bytes) => bytes,
                None => {
                    if number < held.0 || number - held.0 >= held.1 {
                        // Reading ahead pays while all of the last read was used.
                        let used_up = held.1 > 0 && number == held.0 + held.1;
                        self.ahead = if used_up {
                            (self.ahead * 2).min(most)
                        } else if held.1 > 1 {
                            (self.ahead / 2).max(1)
                        } else {
                            self.ahead
                        };
                        let needed = u32::try_from(chain.page_count(&self.geometry)).unwrap_or(u32::MAX);
                        let length = self.ahead.min(needed).min(self.geometry.page_count - number + 1).max(1);
                        let wanted = length as usize * page_bytes;
                        if self.buffer.len() < wanted {
                            self.buffer.resize(wanted, 0);
                        }
                        let into = self.buffer.get_mut(..wanted).unwrap_or_default();
                        self.reader.read_pages(number, into)?;
                        held = (number, length);
                    }
                    let from = (number - held.0) as usize * page_bytes;
                    self.buffer.get(from..from + page_bytes).unwrap_or_default()
                }
            };
            followed.pages += 1;
            match chain.take(bytes, &self.geometry) {
                Ok(part) => sink(part),
                Err(error) => {
                    followed.damage = Some(error);
                    break;
                }
            }
        }
        Ok(followed)
    }
}
