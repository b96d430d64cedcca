//! A pack in a bucket or behind a door, downloaded as a whole or read in places.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use dotctl_engine::format::PackEntry;
use dotctl_engine::{Error, Result};

use super::buffers::{Buffer, Buffers};
use super::fetch::Fetched;
use crate::store::{Access, Pack, check_length, missing_pack};

/// A pack up to this size comes as a whole: that takes less time than a second request.
const WHOLE_BYTES_MAX: u64 = 256 << 10;

/// A larger pack, which no writer of ours makes, is read in parts: a download is kept in memory.
const DOWNLOAD_BYTES_MAX: u64 = 48 << 20;

/// Who gets ranges of what lies far away, whatever happens to the connection.
pub trait Ranges: Send + Sync + 'static {
    /// Gives the bytes `range` of what lies at `key` and has `total_bytes` to `sink`, in order.
    fn fetch_range(
        &self,
        key: &str,
        range: Range<u64>,
        total_bytes: u64,
        sink: impl FnMut(&[u8]) + Send,
    ) -> impl Future<Output = Result<Fetched>> + Send;
}

/// What every pack needs to be read.
pub struct Source<C> {
    pub handle: Handle,
    pub client: Arc<C>,
    pub key: String,
    pub entry: PackEntry,
}

impl<C: Ranges> Source<C> {
    /// Opens the pack: as a whole, if it is to be read so or is small, or in places.
    pub fn open(self, access: Access, buffers: &Buffers) -> Box<dyn Pack> {
        let whole = match access {
            Access::Whole => self.entry.stored_bytes <= DOWNLOAD_BYTES_MAX,
            Access::Parts => self.entry.stored_bytes <= WHOLE_BYTES_MAX,
        };
        match whole {
            true => Box::new(PackDownload::begin(self, buffers)),
            false => Box::new(PackParts(self)),
        }
    }

    /// Reads a range of its own.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let end = offset.saturating_add(into.len() as u64);
        if end > self.entry.stored_bytes {
            return Err(Error::corrupt("the pack ends early"));
        }
        let mut filled = 0;
        let fetched = self.handle.block_on(self.client.fetch_range(
            &self.key,
            offset..end,
            self.entry.stored_bytes,
            |bytes| {
                if let Some(part) = into.get_mut(filled..filled + bytes.len()) {
                    part.copy_from_slice(bytes);
                }
                filled += bytes.len();
            },
        ));
        self.outcome(fetched)
    }

    fn outcome(&self, fetched: Result<Fetched>) -> Result<()> {
        match fetched? {
            Fetched::Whole => Ok(()),
            Fetched::Missing => Err(missing_pack(&self.entry)),
            Fetched::OtherLength(bytes) => check_length(&self.entry, bytes),
        }
    }
}

/// A pack read by ranges, a request for each.
pub struct PackParts<C>(pub Source<C>);

impl<C: Ranges> Pack for PackParts<C> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.0.read(offset, into)
    }

    fn read_again(&self, offset: u64, into: &mut [u8]) -> Result<bool> {
        self.0.read(offset, into).map(|()| true)
    }
}

/// A pack whose download has begun.
pub struct PackDownload<C> {
    source: Arc<Source<C>>,
    arrival: Arc<Arrival>,
    task: AbortHandle,
}

struct Arrival {
    shared: Mutex<Arrived>,
    changed: Condvar,
}

struct Arrived {
    /// There until nobody reads the pack any more.
    bytes: Option<Buffer>,
    /// How it ended, once it has.
    outcome: Option<Result<()>>,
}

impl Arrival {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Result<()>) {
        self.lock().outcome.get_or_insert(outcome);
        self.changed.notify_all();
    }
}

/// Ends the arrival if its task is dropped in the middle, so that nobody waits for ever.
struct EndOnDrop(Arc<Arrival>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Err(Error::new(dotctl_engine::ErrorKind::Io, "the download was given up")));
    }
}

impl<C: Ranges> PackDownload<C> {
    /// Begins to download.
    pub fn begin(source: Source<C>, buffers: &Buffers) -> Self {
        let source = Arc::new(source);
        // A manifest may promise anything.
        let room = usize::try_from(source.entry.stored_bytes).unwrap_or(usize::MAX).min(16 << 20);
        let arrived = Arrived { bytes: Some(buffers.take(room)), outcome: None };
        let arrival = Arc::new(Arrival { shared: Mutex::new(arrived), changed: Condvar::new() });
        let (from, to) = (source.clone(), EndOnDrop(arrival.clone()));
        let task = source.handle.spawn(async move {
            let total_bytes = from.entry.stored_bytes;
            let arrived = |bytes: &[u8]| {
                if let Some(buffer) = &mut to.0.lock().bytes {
                    buffer.extend(bytes);
                }
                to.0.changed.notify_all();
            };
            let fetched = from.client.fetch_range(&from.key, 0..total_bytes, total_bytes, arrived).await;
            to.0.end(from.outcome(fetched));
        });
        PackDownload { source, arrival, task: task.abort_handle() }
    }
}

impl<C: Ranges> Pack for PackDownload<C> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let early = || Error::corrupt("the pack ends early");
        let begin = usize::try_from(offset).map_err(|_| early())?;
        let end = begin.checked_add(into.len()).ok_or_else(early)?;
        let mut arrived = self.arrival.lock();
        loop {
            if let Some(part) = arrived.bytes.as_ref().and_then(|bytes| bytes.as_ref().get(begin..end)) {
                into.copy_from_slice(part);
                return Ok(());
            }
            match &arrived.outcome {
                Some(Ok(())) => return Err(early()),
                Some(Err(error)) => return Err(error.clone()),
                None => {}
            }
            arrived = self.arrival.changed.wait(arrived).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn read_again(&self, offset: u64, into: &mut [u8]) -> Result<bool> {
        self.source.read(offset, into).map(|()| true)
    }
}

impl<C> Drop for PackDownload<C> {
    fn drop(&mut self) {
        self.task.abort();
        self.arrival.lock().bytes = None;
    }
}
