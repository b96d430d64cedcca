//! Objects out of a bucket, whatever happens to the connection.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use tokio::time::timeout;

use super::client::{Class, Client};
use super::pack::Ranges;
use super::refusal::Refusal;

/// How a fetch ended that no connection kept from ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// All bytes came.
    Whole,
    /// There is no such object.
    Missing,
    /// The object has another length, this.
    OtherLength(u64),
}

/// How often a wrong length must be told before it is believed.
const LENGTH_CLAIMS: u32 = 3;

/// Bytes that an attempt must bring to count as progress.
const PROGRESS_BYTES_MIN: u64 = 4 << 10;

impl Ranges for Client {
    async fn fetch_range(
        &self,
        key: &str,
        range: Range<u64>,
        total_bytes: u64,
        sink: impl FnMut(&[u8]) + Send,
    ) -> dotctl_engine::Result<Fetched> {
        let fetched = self.fetch(key, range, total_bytes, sink).await;
        fetched.map_err(|refusal| self.explain(&refusal, "read a pack"))
    }
}

impl Client {
    /// Whether the object at `key` is these bytes, all of them read.
    pub async fn holds(&self, key: &str, bytes: &[u8]) -> Result<bool, Refusal> {
        let (mut at, mut same) = (0, true);
        let total_bytes = bytes.len() as u64;
        let fetched = self
            .fetch(key, 0..total_bytes, total_bytes, |part| {
                same &= bytes.get(at..at + part.len()) == Some(part);
                at += part.len();
            })
            .await?;
        Ok(fetched == Fetched::Whole && same)
    }

    /// Gives the bytes `range` of the object at `key`, which has `total_bytes`, to `sink`, in order.
    /// A cut answer is continued where it ended.
    pub async fn fetch(
        &self,
        key: &str,
        range: Range<u64>,
        total_bytes: u64,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<Fetched, Refusal> {
        let mut at = range.start;
        let (mut failures, mut claims) = (0, 0);
        while at < range.end {
            let begun_at = at;
            let whole = at == 0 && range.end == total_bytes;
            let asked = (!whole).then(|| format!("bytes={at}-{}", range.end - 1));
            let failure = match self.get(key, asked.clone()).await {
                Ok(answer) => match length_of(&answer, whole, at) {
                    Told::Length(bytes) if bytes != total_bytes => {
                        claims += 1;
                        if claims == LENGTH_CLAIMS {
                            return Ok(Fetched::OtherLength(bytes));
                        }
                        Refusal::lost("the server tells another length")
                    }
                    Told::Length(_) | Told::Nothing => {
                        self.receive(answer, range.end, &mut at, &mut sink).await
                    }
                    Told::OtherRange => {
                        Refusal::lost("the server does not send the range that was asked for")
                    }
                },
                Err(refusal) if refusal.is_missing_object() => return Ok(Fetched::Missing),
                // The object ends before the range begins.
                Err(refusal) if refusal.status == 416 => {
                    return Ok(Fetched::OtherLength(self.length(key).await?.unwrap_or(0)));
                }
                Err(refusal) => return Err(refusal),
            };
            if at >= range.end {
                break;
            }
            failures = if at - begun_at >= PROGRESS_BYTES_MIN { 1 } else { failures + 1 };
            if failures >= self.patience.attempts {
                return Err(failure);
            }
            self.pause(failures, None).await;
        }
        Ok(Fetched::Whole)
    }

    async fn get(&self, key: &str, range: Option<String>) -> Result<GetObjectOutput, Refusal> {
        self.call(Class::B, 0, || {
            self.s3.get_object().bucket(&self.bucket).key(key).set_range(range.clone()).send()
        })
        .await
    }

    /// Passes on what arrives, up to `end`; why it ended is of interest only if something is missing.
    async fn receive(
        &self,
        mut answer: GetObjectOutput,
        end: u64,
        at: &mut u64,
        sink: &mut impl FnMut(&[u8]),
    ) -> Refusal {
        while *at < end {
            match timeout(self.patience.stall, answer.body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    let wanted = usize::try_from(end - *at).unwrap_or(usize::MAX).min(bytes.len());
                    sink(bytes.get(..wanted).unwrap_or_default());
                    *at += wanted as u64;
                }
                Ok(Some(Err(_)) | None) => return Refusal::lost("the answer was cut"),
                Err(_) => return Refusal::lost("the answer stalled"),
            }
        }
        Refusal::lost("")
    }

    /// All bytes of the object at `key`, whose length nobody has promised, but `bytes_max` at most;
    /// `None` where there is none. More than that many give one byte more.
    pub async fn fetch_small(&self, key: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Refusal> {
        let mut failures = 0;
        loop {
            let failure = match self.get(key, None).await {
                Ok(answer) => {
                    let told = answer.content_length().and_then(|bytes| u64::try_from(bytes).ok());
                    let end = told.unwrap_or(u64::MAX).min(bytes_max.saturating_add(1));
                    let (mut bytes, mut at) = (Vec::new(), 0);
                    let failure =
                        self.receive(answer, end, &mut at, &mut |part| bytes.extend_from_slice(part)).await;
                    // Without a length its end is all that can be seen; the caller has a hash.
                    if at == end || told.is_none() {
                        return Ok(Some(bytes));
                    }
                    failure
                }
                Err(refusal) if refusal.is_missing_object() => return Ok(None),
                Err(refusal) => return Err(refusal),
            };
            failures += 1;
            if failures >= self.patience.attempts {
                return Err(failure);
            }
            self.pause(failures, None).await;
        }
    }

    /// Bytes of the object at `key`; `None` where there is none.
    pub async fn length(&self, key: &str) -> Result<Option<u64>, Refusal> {
        let head =
            self.call(Class::B, 0, || self.s3.head_object().bucket(&self.bucket).key(key).send()).await;
        match head {
            Ok(head) => {
                Ok(Some(head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)))
            }
            Err(refusal) if refusal.is_missing_object() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }
}

/// What an answer's head says.
enum Told {
    /// The object's length.
    Length(u64),
    /// Not even that.
    Nothing,
    /// Other bytes than those asked for.
    OtherRange,
}

fn length_of(answer: &GetObjectOutput, whole: bool, at: u64) -> Told {
    if whole {
        return match answer.content_length().and_then(|bytes| u64::try_from(bytes).ok()) {
            Some(bytes) => Told::Length(bytes),
            None => Told::Nothing,
        };
    }
    // `bytes 5-9/100`
    let told = answer.content_range().and_then(|text| {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, _) = range.split_once('-')?;
        Some((first.parse::<u64>().ok()?, total.parse::<u64>().ok()?))
    });
    match told {
        Some((first, total)) if first == at => Told::Length(total),
        _ => Told::OtherRange,
    }
}
