//! What a bucket needs to be told.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Which bucket, how it is reached and how patiently.
#[derive(Debug, Clone)]
pub struct BucketSetting {
    /// `s3` or `r2`: how people spell it.
    pub scheme: &'static str,
    /// The bucket's name.
    pub bucket: String,
    /// What all keys begin with, without a `/` at either end; nothing for the whole bucket.
    pub prefix: String,
    /// The server, unless it is the one the SDK's chain finds.
    pub endpoint_url: Option<String>,
    /// The region, unless it is the one the SDK's chain finds.
    pub region: Option<String>,
    /// Keys to use instead of those that the SDK's chain finds.
    pub credentials: Option<Credentials>,
    /// Most requests that begin within a second, of all kinds.
    pub requests_per_second_max: Option<NonZeroU32>,
    /// Names in one page of a listing, from 1 to 1,000.
    pub names_per_page: u16,
    /// Whether a writer reads the packs that the bucket holds already, and replaces those that are
    /// damaged. Otherwise one of the right length is believed.
    pub repair: bool,
    /// A folder on this machine for temporary files.
    pub scratch_folder: PathBuf,
    /// How long to wait, and how often to try.
    pub patience: Patience,
}

impl BucketSetting {
    /// Names in a page: as many as S3 and R2 give at most.
    pub const NAMES_PER_PAGE: u16 = 1000;
}

/// A pair of keys.
#[derive(Clone)]
pub struct Credentials {
    /// The public one.
    pub access_key_id: String,
    /// The other.
    pub secret_access_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// How long to wait for a server, and how often to ask it again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the first bytes of an answer; what is sent adds the time it takes at
    /// [`Patience::SENT_BYTES_PER_SECOND_MIN`].
    pub reply: Duration,
    /// For the next bytes of an answer that has begun.
    pub stall: Duration,
    /// Attempts at one request before it has failed.
    pub attempts: u32,
    /// Attempts at the first request while nothing at all has answered yet.
    pub first_attempts: u32,
    /// The pause before the second attempt; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause, one that the server asks for included.
    pub pause_max: Duration,
    /// The shortest grace of a prune: how long a writer may take from a look at the marks to the
    /// next one, or to its manifest, and three times as long as it does take.
    pub grace_min: Duration,
    /// How long a prune may take to remove packs. One that is older was killed.
    pub sweep_max: Duration,
}

impl Patience {
    /// Slower than this an upload counts as stalled.
    pub const SENT_BYTES_PER_SECOND_MIN: u64 = 32 << 10;
}

impl Default for Patience {
    /// All chosen: a minute or two of a server's trouble are survived, a typing error in its name
    /// is told within seconds.
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(10),
            reply: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            attempts: 10,
            first_attempts: 4,
            pause: Duration::from_millis(200),
            pause_max: Duration::from_secs(30),
            grace_min: Duration::from_secs(3600),
            sweep_max: Duration::from_secs(600),
        }
    }
}
