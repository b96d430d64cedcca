//! A progress bar on stderr for jobs that take over a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use dotctl_stores::drive::Progress;

const QUIET_TIME: Duration = Duration::from_secs(1);

const FRAMES_PER_SECOND: u8 = 8;

/// Shows rate and time left, once a job has run for a second.
pub struct Bar {
    enabled: bool,
    job: Mutex<Option<Job>>,
}

struct Job {
    begun: Instant,
    /// Counts from the job's beginning, so that its first frame knows the rate; drawn when
    /// `is_shown`.
    bar: ProgressBar,
    is_shown: bool,
}

impl Bar {
    pub fn new(enabled: bool) -> Self {
        Bar { enabled, job: Mutex::new(None) }
    }
}

impl Progress for Bar {
    fn begin(&self, job: &str, total_bytes: Option<u64>) {
        if self.enabled
            && let Ok(mut current) = self.job.lock()
        {
            *current = Some(Job { begun: Instant::now(), bar: hidden(job, total_bytes), is_shown: false });
        }
    }

    fn advance(&self, raw_bytes: u64) {
        if self.enabled
            && let Ok(mut current) = self.job.lock()
            && let Some(job) = current.as_mut()
        {
            if !job.is_shown && job.begun.elapsed() >= QUIET_TIME {
                job.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND));
                job.is_shown = true;
            }
            job.bar.inc(raw_bytes);
        }
    }

    fn end(&self) {
        if let Ok(mut current) = self.job.lock()
            && let Some(job) = current.take()
        {
            job.bar.finish_and_clear();
        }
    }
}

fn hidden(name: &str, total_bytes: Option<u64>) -> ProgressBar {
    let template = match total_bytes {
        Some(_) => {
            "{msg} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left"
        }
        None => "{msg} {decimal_bytes} {decimal_bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).map(|style| style.progress_chars("=> "));
    let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::hidden())
        .with_message(name.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_from_the_beginning() {
        let bar = Bar::new(true);
        let begun = Instant::now();
        bar.begin("reading pages", Some(1 << 30));
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(10));
            bar.advance(1 << 20);
        }
        let per_second = f64::from(20 << 20) / begun.elapsed().as_secs_f64();
        let job = bar.job.lock().unwrap();
        let job = job.as_ref().unwrap();
        assert!(!job.is_shown);
        assert_eq!(job.bar.position(), 20 << 20);
        // Lately counts for more than long ago.
        let shown = job.bar.per_sec() / per_second;
        assert!((0.5..2.0).contains(&shown), "{shown} times the rate");
    }
}
