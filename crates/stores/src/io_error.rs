//! The machine's failures as sentences.

use std::io;
use std::path::Path;

use dotctl_engine::{Error, ErrorKind};

/// What `error` means for `path`, which somebody tried to `verb` ("read", "create", …).
pub fn io_error(verb: &str, path: &Path, error: &io::Error) -> Error {
    let place = path.display().to_string();
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::Missing, "check the path"),
        io::ErrorKind::PermissionDenied => {
            (ErrorKind::Io, "check the permissions of the file and its folder")
        }
        io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::Io, "choose a place that can be written"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Io, "free some space and run the command again; nothing half-written remains")
        }
        io::ErrorKind::AlreadyExists => (ErrorKind::Exists, "choose another place"),
        _ => (ErrorKind::Io, ""),
    };
    let error = Error::new(kind, format!("cannot {verb}: {error}")).at(place);
    if hint.is_empty() { error } else { error.hint(hint) }
}
