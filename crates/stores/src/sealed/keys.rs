//! Who may read: recipients, which are public, and identities, which are not and appear nowhere.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use age::x25519::Recipient;
use age::{Encryptor, Identity, IdentityFile};
use dotctl_engine::{Error, Result};

use crate::io_error;

/// What a secret key begins with.
const SECRET: &str = "AGE-SECRET-KEY-";

/// What a native recipient begins with.
const NATIVE: &str = "age1";

/// Largest file of recipients that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Those for whom something is sealed: public keys.
#[derive(Clone)]
pub struct Recipients {
    keys: Vec<Recipient>,
    /// A line for each, in order and each once.
    text: String,
}

impl PartialEq for Recipients {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Recipients {
    /// Those whom `words` name: recipients (`age1…`), or files of them as `age -R` reads them.
    ///
    /// # Errors
    /// Malformed where a word or line is no recipient; the file's. A secret key given by mistake is not repeated.
    pub fn read(words: &[String]) -> Result<Self> {
        let mut lines = String::new();
        for word in words {
            if is_secret(word) {
                return Err(secret_given("--encrypt takes the public key, age1…, or a file of such keys"));
            }
            if word.starts_with("ssh-") {
                return Err(Error::unsupported("keys of SSH are not taken as recipients")
                    .hint("make a key of its own with `age-keygen`"));
            }
            if word.starts_with(NATIVE) {
                lines.push_str(word);
                lines.push('\n');
                continue;
            }
            let path = Path::new(word);
            let failed = |error: std::io::Error| {
                io_error("read the recipients", path, &error)
                    .hint("--encrypt takes a recipient, age1…, or a file of recipients")
            };
            let mut text = String::new();
            let file = File::open(path).map_err(failed)?;
            file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
            let read = Recipients::parse(&text).map_err(|error| error.at(word.as_str()))?;
            lines.push_str(&read.text);
        }
        Recipients::parse(&lines)
    }

    /// Those of the lines of `text`; empty lines and comments count for nothing.
    ///
    /// # Errors
    /// Malformed where a line is no recipient, or there are none.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if is_secret(line) {
                return Err(
                    secret_given("a file of recipients has public keys only").at(format!("line {number}"))
                );
            }
            let key: Recipient = line.parse().map_err(|_| {
                Error::malformed("not a recipient that this dotctl seals for")
                    .at(format!("line {number}"))
                    .hint("`age-keygen` makes a key and prints its recipient, age1…")
            })?;
            words.push(key.to_string());
        }
        words.sort_unstable();
        words.dedup();
        let parse = |word: &String| word.parse().map_err(Error::malformed);
        let keys = words.iter().map(parse).collect::<Result<Vec<Recipient>>>()?;
        if keys.is_empty() {
            return Err(Error::malformed("there are no recipients to seal for"));
        }
        Ok(Recipients { keys, text: words.iter().map(|word| format!("{word}\n")).collect() })
    }

    /// A file of recipients: a line for each.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What seals one file, with a key of its own.
    pub(super) fn encryptor(&self) -> Result<Encryptor> {
        Encryptor::with_recipients(self.keys.iter().map(|key| key as &dyn age::Recipient))
            .map_err(|error| Error::malformed(format!("cannot be sealed for these recipients: {error}")))
    }
}

/// Keys that open what is sealed.
#[derive(Default)]
pub struct Identities(Vec<Box<dyn Identity + Send + Sync>>);

impl Identities {
    /// Those in the files at `paths`, as `age -i` reads them.
    ///
    /// # Errors
    /// Malformed where a file holds something else, which is not repeated; the file's.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let mut identities = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            if path.to_str().is_some_and(is_secret) {
                return Err(secret_given("--identity takes the name of the file that holds the key"));
            }
            let place = || path.display().to_string();
            let file = File::open(path).map_err(|error| io_error("read the identity", path, &error))?;
            let read = IdentityFile::from_buffer(BufReader::new(file)).map_err(|error| {
                Error::malformed(format!("this is no file of age identities: {error}"))
                    .at(place())
                    .hint("an identity as `age-keygen` makes it; one that is sealed has to be opened first, with `age -d`")
            })?;
            let read = read.into_identities().map_err(|error| {
                Error::malformed(format!("the identities cannot be used: {error}")).at(place())
            })?;
            if read.is_empty() {
                return Err(Error::malformed("there is no identity in this file").at(place()));
            }
            identities.extend(read);
        }
        Ok(Identities(identities))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &dyn Identity> {
        self.0.iter().map(|identity| identity.as_ref() as &dyn Identity)
    }
}

fn is_secret(word: &str) -> bool {
    word.trim_start().get(..SECRET.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SECRET))
}

fn secret_given(hint: &str) -> Error {
    Error::malformed("this is a secret key").hint(hint)
}
