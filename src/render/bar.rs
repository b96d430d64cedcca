//! A progress bar on stderr for jobs that take over a second.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use dotctl_stores::drive::Progress;

const QUIET_TIME: Duration = Duration::from_secs(1);

/// Shows rate and time left, once a job has run for a second.
pub struct Bar {
    enabled: bool,
    done_bytes: AtomicU64,
    job: Mutex<Option<Job>>,
}

struct Job {
    name: String,
    total_bytes: Option<u64>,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub fn new(enabled: bool) -> Self {
        Bar { enabled, done_bytes: AtomicU64::new(0), job: Mutex::new(None) }
    }
}

impl Progress for Bar {
    fn begin(&self, job: &str, total_bytes: Option<u64>) {
        if !self.enabled {
            return;
        }
        self.done_bytes.store(0, Ordering::Relaxed);
        if let Ok(mut current) = self.job.lock() {
            *current = Some(Job { name: job.to_owned(), total_bytes, begun: Instant::now(), bar: None });
        }
    }

    fn advance(&self, raw_bytes: u64) {
        if !self.enabled {
            return;
        }
        let done_bytes = self.done_bytes.fetch_add(raw_bytes, Ordering::Relaxed) + raw_bytes;
        if let Ok(mut current) = self.job.lock()
            && let Some(job) = current.as_mut()
            && job.begun.elapsed() >= QUIET_TIME
        {
            let bar = job.bar.get_or_insert_with(|| draw(&job.name, job.total_bytes, job.begun));
            bar.set_position(done_bytes);
        }
    }

    fn end(&self) {
        if let Ok(mut current) = self.job.lock()
            && let Some(Job { bar: Some(bar), .. }) = current.take()
        {
            bar.finish_and_clear();
        }
    }
}

fn draw(name: &str, total_bytes: Option<u64>, begun: Instant) -> ProgressBar {
    let template = match total_bytes {
        Some(_) => {
            "{msg} [{bar:28}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left"
        }
        None => "{msg} {decimal_bytes} {decimal_bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).map(|style| style.progress_chars("=> "));
    let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr_with_hz(8))
        .with_elapsed(begun.elapsed())
        .with_message(name.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
