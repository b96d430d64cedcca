//! Errors for people: what went wrong, where, and what to do next.

use std::fmt;

/// The engine's result.
pub type Result<T> = std::result::Result<T, Error>;

/// How stored data differs from what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It is not there.
    Missing,
    /// It hashes to something else.
    Checksum,
    /// It has another length.
    Size,
    /// It is not what it should be in any other way.
    Malformed,
}

impl Damage {
    /// The damage's name in a verification's findings.
    pub fn name(self) -> &'static str {
        match self {
            Damage::Missing => "missing",
            Damage::Checksum => "checksum-mismatch",
            Damage::Size => "size-mismatch",
            Damage::Malformed => "malformed",
        }
    }
}

/// The few kinds of failure that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Input from outside that is not what it claims to be (a source, an argument).
    Malformed,
    /// Stored data that no longer is what was written: a checkpoint, a pack, a manifest.
    Corrupt(Damage),
    /// Well-formed input that this version cannot read or carry.
    Unsupported,
    /// Something named does not exist.
    Missing,
    /// Something that must not exist does.
    Exists,
    /// Something is in use by somebody else.
    Busy,
    /// Something is sealed and there is no key for it.
    Sealed,
    /// The machine failed: disk, permission, pipe.
    Io,
    /// The user stopped it.
    Interrupted,
}

impl ErrorKind {
    /// The kind's name in `{"error":{"kind":…}}`.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Malformed => "malformed",
            ErrorKind::Corrupt(_) => "corrupt",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Missing => "missing",
            ErrorKind::Exists => "exists",
            ErrorKind::Busy => "busy",
            ErrorKind::Sealed => "sealed",
            ErrorKind::Io => "io",
            ErrorKind::Interrupted => "interrupted",
        }
    }
}

/// One failure: its kind, a full sentence, the place it concerns and the next step.
///
/// Boxed, so that results which hardly ever fail stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Failure>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
    hint: Option<String>,
    // Boxed: a rare pair that every result would else make room for.
    contrast: Option<(String, String)>,
}

impl Error {
    /// A failure of `kind`, said in `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Failure { kind, message: message.into(), place: None, hint: None, contrast: None }))
    }

    /// Input from outside that is not what it claims to be.
    pub fn malformed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Malformed, message)
    }

    /// Stored data that is not what was written, in no way that [`Error::damaged`] could put in
    /// figures.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Corrupt(Damage::Malformed), message)
    }

    /// Stored data whose hash, size or the like is `actual` instead of `expected`.
    pub fn damaged(damage: Damage, what: &str, expected: impl ToString, actual: impl ToString) -> Self {
        let (expected, actual) = (expected.to_string(), actual.to_string());
        let message = match damage {
            Damage::Missing => format!("{what} is missing"),
            Damage::Checksum => format!("{what} hashes to {actual}, it should be {expected}"),
            Damage::Size => format!("{what} has {actual} bytes, it should be {expected}"),
            Damage::Malformed => format!("{what} is {actual}, it should be {expected}"),
        };
        let mut error = Error::new(ErrorKind::Corrupt(damage), message);
        error.0.contrast = Some((expected, actual));
        error
    }

    /// Input that is well-formed and beyond what this version carries.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Unsupported, message)
    }

    /// Names the file, entry, page or byte that the failure concerns. The outermost place comes
    /// first: `state.json, entry 7, byte 1033`.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        let place = place.into();
        self.0.place = Some(match self.0.place.take() {
            Some(inner) => format!("{place}, {inner}"),
            None => place,
        });
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same failure seen as another kind, as when a decoder's complaint concerns stored data.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same failure, said in other words.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// The same failure without its place, for who says that anyway.
    #[must_use]
    pub fn without_place(mut self) -> Self {
        self.0.place = None;
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The place it concerns, outermost first.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// What failed, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was expected and what was there instead, where the failure can be put so.
    pub fn contrast(&self) -> Option<(&str, &str)> {
        self.0.contrast.as_ref().map(|(expected, actual)| (expected.as_str(), actual.as_str()))
    }

    /// What to do next, where there is something.
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.place {
            Some(place) => write!(f, "{place}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for Error {}
