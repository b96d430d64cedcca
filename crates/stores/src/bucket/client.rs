//! Requests to one bucket: counted, paced, tried again.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tokio::time::{sleep, timeout};

use dotctl_engine::Error;

use super::pace::Pace;
use super::refusal::{Refusal, RefusalKind};
use super::setting::Patience;
use crate::store::Requests;

/// The classes by which R2 counts requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Writes and listings.
    A,
    /// Reads.
    B,
    /// Deletions, which cost nothing.
    Free,
}

/// What is known of a server's conditional writes.
#[derive(Debug, Default)]
pub struct Conditions {
    /// It is one that is known to heed them, or it has been seen to.
    pub heeded: AtomicBool,
    /// It has been seen not to.
    pub ignored: AtomicBool,
}

/// One bucket, as its requests see it.
pub struct Client {
    pub s3: aws_sdk_s3::Client,
    pub bucket: String,
    pub patience: Patience,
    pub names_per_page: u16,
    /// How people call the store.
    pub place: String,
    /// The host that is asked.
    pub server: String,
    /// What no message may show.
    pub secrets: Vec<String>,
    pub at_r2: bool,
    /// Whether the server heeds `If-None-Match`.
    pub conditions: Conditions,
    pub pace: Pace,
    pub class_a: AtomicU64,
    pub class_b: AtomicU64,
    /// Whether anything has answered yet.
    pub reached: AtomicBool,
}

impl Client {
    /// Sends the request that `send` makes until it succeeds, fails for good, or has failed too
    /// often. `sent_bytes` is the length of what it sends.
    pub async fn call<T, E, F>(
        &self,
        class: Class,
        sent_bytes: usize,
        send: impl Fn() -> F,
    ) -> Result<T, Refusal>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let sending = Duration::from_secs(sent_bytes as u64 / Patience::SENT_BYTES_PER_SECOND_MIN);
        let mut attempt = 0;
        loop {
            self.count(class).await;
            attempt += 1;
            let refusal = match timeout(self.patience.reply + sending, send()).await {
                Ok(Ok(answer)) => {
                    self.reached.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(error)) => Refusal::of(&error),
                Err(_) => Refusal::lost("no answer within the time for it"),
            };
            if refusal.kind == RefusalKind::Answered {
                self.reached.store(true, Ordering::Relaxed);
            }
            let attempts_max = match self.reached.load(Ordering::Relaxed) {
                true => self.patience.attempts,
                false => self.patience.first_attempts,
            };
            if !refusal.passes() || attempt >= attempts_max {
                return Err(refusal);
            }
            self.pause(attempt, refusal.retry_after()).await;
        }
    }

    async fn count(&self, class: Class) {
        self.pace.wait().await;
        let counter = match class {
            Class::A => &self.class_a,
            Class::B => &self.class_b,
            Class::Free => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits before the attempt after number `attempt`: as long as the server asks for, or twice as
    /// long each time, and up to half as long again so that many do not come back at once.
    pub async fn pause(&self, attempt: u32, asked: Option<Duration>) {
        let doubled = self.patience.pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let pause = asked.unwrap_or(doubled).min(self.patience.pause_max);
        let share = (random() % 512) as u32;
        sleep(pause + pause / 1024 * share).await;
    }

    /// `refusal`, met when somebody wanted to `doing`, for people.
    pub fn explain(&self, refusal: &Refusal, doing: &str) -> Error {
        refusal.explain(doing, &self.place, &self.server, &self.secrets)
    }

    /// What was sent so far.
    pub fn requests(&self) -> Requests {
        Requests {
            class_a: self.class_a.load(Ordering::Relaxed),
            class_b: self.class_b.load(Ordering::Relaxed),
            at_r2: self.at_r2,
        }
    }
}

/// A number that nobody else has; good enough for a name and for chance, not for a key.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
