//! The user's wish to stop, heeded between chunks so that nothing half done is left behind.

use std::sync::atomic::{AtomicBool, Ordering};

use dotctl_engine::{Error, ErrorKind, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks every running job to stop.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// Ends a job that was asked to stop.
pub fn check() -> Result<()> {
    if REQUESTED.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Interrupted, "interrupted; nothing half-written was left"));
    }
    Ok(())
}
