//! Documents as sealed text: age's armour, so that it fits into JSON and `age -d` reads it.

use std::io::{self, Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor};
use dotctl_engine::format::Manifest;
use dotctl_engine::id::Hash;
use dotctl_engine::{Error, ErrorKind, Result};

use super::{Identities, Recipients};

/// What is sealed as an envelope's recipients: a comment that says which manifest it belongs to, and the
/// recipients. Who knows only these cannot write it, since the manifest's bytes are sealed.
pub fn recipients_of(recipients: &Recipients, within: &[u8]) -> String {
    format!("# {}\n{}", Hash::of(within), recipients.text())
}

/// Whether a document's bytes, damaged or not, have something sealed in them.
pub fn looks_sealed(document: &[u8]) -> bool {
    String::from_utf8_lossy(document).contains("BEGIN AGE ENCRYPTED FILE")
}

/// `bytes`, sealed.
pub fn seal(recipients: &Recipients, bytes: &[u8]) -> Result<String> {
    let encryptor = recipients.encryptor()?;
    let write = || -> io::Result<Vec<u8>> {
        let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armored)?;
        writer.write_all(bytes)?;
        writer.finish()?.finish()
    };
    let failed = |error: String| Error::new(ErrorKind::Io, format!("the manifest cannot be sealed: {error}"));
    let sealed = write().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(sealed).map_err(|error| failed(error.to_string()))
}

/// What was sealed as `text`; `what` names it.
///
/// # Errors
/// Sealed where no identity opens it; corrupt where it was not written so.
pub fn open(identities: &Identities, text: &str, what: &str) -> Result<Vec<u8>> {
    let broken = |error: String| Error::corrupt(format!("{what} cannot be opened: {error}"));
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(text.as_bytes()))
        .map_err(|error| broken(error.to_string()))?;
    let mut reader = decryptor.decrypt(identities.each()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => no_match(),
        error => broken(error.to_string()),
    })?;
    let mut bytes = Vec::new();
    let limit = Manifest::BYTES_MAX.saturating_add(1);
    reader.by_ref().take(limit).read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
    Manifest::check_length(bytes.len() as u64)?;
    Ok(bytes)
}

fn no_match() -> Error {
    Error::new(ErrorKind::Sealed, "none of the identities opens the checkpoint: it is sealed for others")
        .hint("name the file of the age identity that it is sealed for: --identity FILE")
}
