//! Reading a database that may be changed in ways no lock prevents: again, until it stood still.

use std::path::Path;

use dotctl_engine::{ErrorKind, Result};

use super::LiveDatabase;

/// Attempts before the last one's `Busy` is the answer.
const ATTEMPTS_MAX: u32 = 20;

/// What `read` makes of the database at `path`, from an attempt during which it did not change.
/// The same goes for a failure of `read`: it counts only if nothing changed meanwhile.
pub fn read_still<T>(path: &Path, mut read: impl FnMut(&LiveDatabase) -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        let database = LiveDatabase::open(path)?;
        let outcome = read(&database);
        let interrupted = outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted);
        match database.check_unchanged() {
            Ok(()) => return outcome,
            Err(_) if interrupted => return outcome,
            Err(error) if error.kind() == ErrorKind::Busy && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
