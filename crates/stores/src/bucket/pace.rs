//! Requests at no more than a given rate.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Spaces requests evenly.
pub struct Pace {
    interval: Option<Duration>,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many requests a second, or as many as there are.
    pub fn new(requests_per_second_max: Option<NonZeroU32>) -> Self {
        let interval = requests_per_second_max.map(|count| Duration::from_secs(1) / count.get());
        Pace { interval, next: Mutex::new(None) }
    }

    /// Waits for the caller's turn.
    pub async fn wait(&self) {
        let Some(interval) = self.interval else { return };
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + interval);
            turn
        };
        sleep_until(turn).await;
    }
}
