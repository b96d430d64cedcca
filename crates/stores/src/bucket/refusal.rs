//! What it means that a request failed: whether to try again, and what to tell people.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use dotctl_engine::{Error, ErrorKind};

/// Why a request failed.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Whether an answer came at all.
    pub kind: RefusalKind,
    /// The answer's status; 0 where none came.
    pub status: u16,
    /// What S3 calls the failure, where the answer says it.
    pub code: String,
    /// What the server says about it.
    message: String,
    /// When it wants to be asked again.
    retry_after: Option<Duration>,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// It could not be built or signed.
    Unsent,
    /// No answer, or none that could be read.
    Lost,
    /// The server answered that it will not.
    Answered,
}

/// Names of a server that has too much to do, or lost something on the way.
const PASSING_CODES: [&str; 14] = [
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "XAmzContentSHA256Mismatch",
];

impl Refusal {
    /// What the SDK tells.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        let raw = error.raw_response();
        let (kind, message) = match error {
            SdkError::ConstructionFailure(_) => (RefusalKind::Unsent, "the request could not be made"),
            SdkError::DispatchFailure(failure) if failure.is_user() => {
                (RefusalKind::Unsent, "the request could not be sent")
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (RefusalKind::Lost, "no connection within the time for it")
            }
            SdkError::DispatchFailure(_) => (RefusalKind::Lost, "the connection failed or was cut"),
            SdkError::TimeoutError(_) => (RefusalKind::Lost, "no answer within the time for it"),
            // An answer of success that cannot be read, for instance because it was cut.
            _ if raw.is_some_and(|raw| raw.status().is_success()) => {
                (RefusalKind::Lost, "the answer is not one of an S3 server")
            }
            SdkError::ResponseError(_) => (RefusalKind::Lost, "the answer is not one of an S3 server"),
            _ => (RefusalKind::Answered, ""),
        };
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let said = meta.and_then(|meta| meta.message()).unwrap_or(message);
        Refusal {
            kind,
            status: raw.map_or(0, |raw| raw.status().as_u16()),
            code: meta.and_then(|meta| meta.code()).unwrap_or_default().to_owned(),
            message: said.to_owned(),
            retry_after: raw.and_then(retry_after),
        }
    }

    /// No answer, for a reason of ours.
    pub fn lost(message: impl Into<String>) -> Self {
        Refusal {
            kind: RefusalKind::Lost,
            status: 0,
            code: String::new(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// Whether the same request may well succeed later.
    pub fn passes(&self) -> bool {
        match self.kind {
            RefusalKind::Unsent => false,
            RefusalKind::Lost => true,
            RefusalKind::Answered => {
                matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504 | 520..=530)
                    // A conflict that lasts says what it is.
                    || (self.status == 409 && self.code.is_empty())
                    || PASSING_CODES.contains(&self.code.as_str())
            }
        }
    }

    /// The pause before the next attempt that the server asks for.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the server answered that there is no such object, or no such bucket where it does
    /// not say which.
    pub fn is_missing_object(&self) -> bool {
        self.status == 404 && self.code != "NoSuchBucket"
    }

    /// Whether the object is there already.
    pub fn is_conflict(&self) -> bool {
        self.status == 412
    }

    /// The failure as people get to see it; `hidden` are secrets that must not show, `place` is the
    /// store and `server` the host that was asked.
    pub fn explain(&self, doing: &str, place: &str, server: &str, hidden: &[String]) -> Error {
        let code = self.code.as_str();
        let (kind, message, hint) = match (self.kind, self.status, code) {
            (RefusalKind::Unsent, ..) => (
                ErrorKind::Io,
                format!("cannot {doing}: {}", self.message),
                "check the credentials, --region and --endpoint-url".to_owned(),
            ),
            (RefusalKind::Lost, 0, _) => (
                ErrorKind::Io,
                format!("cannot {doing}: {server}: {}", self.message),
                "check --endpoint-url and the network, then run the command again; it goes on where it stopped"
                    .to_owned(),
            ),
            (RefusalKind::Lost, ..) => (
                ErrorKind::Io,
                format!("cannot {doing}: {server} does not answer as an S3 server does"),
                "check --endpoint-url: it is the address of the S3 service, without the bucket".to_owned(),
            ),
            (_, _, "NoSuchBucket") => (
                ErrorKind::Missing,
                "there is no bucket of this name".to_owned(),
                "check the bucket's name and --endpoint-url, or create the bucket".to_owned(),
            ),
            (_, _, "RequestTimeTooSkewed" | "RequestExpired") => (
                ErrorKind::Io,
                "the server refuses the request because this machine's clock is wrong".to_owned(),
                "set the clock, for instance with `timedatectl set-ntp true`".to_owned(),
            ),
            (_, _, "ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException") => (
                ErrorKind::Io,
                "the session token has expired".to_owned(),
                "get new credentials, then run the command again; it goes on where it stopped".to_owned(),
            ),
            (_, _, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "NotSignedUp")
            | (_, 401, _) => (
                ErrorKind::Io,
                "the server does not know these credentials".to_owned(),
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in AWS_PROFILE".to_owned(),
            ),
            (_, 301 | 307 | 308, _)
            | (_, _, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => (
                ErrorKind::Io,
                "the bucket lies in another region".to_owned(),
                "name the bucket's region with --region".to_owned(),
            ),
            (_, 403, _) => (
                ErrorKind::Io,
                format!("access denied: the server does not let these credentials {doing}"),
                "give the key permission to list, read and write objects in this bucket".to_owned(),
            ),
            (_, 404, _) => (
                ErrorKind::Missing,
                format!("cannot {doing}: there is no such bucket or object"),
                "check the bucket's name and --endpoint-url".to_owned(),
            ),
            _ if self.passes() => (
                ErrorKind::Io,
                format!("cannot {doing}: the server was asked again and again and still says {}", self.answer()),
                "run the command again later; it goes on where it stopped".to_owned(),
            ),
            _ => (
                ErrorKind::Io,
                format!("cannot {doing}: the server says {}", self.answer()),
                "check --endpoint-url, and what the server's own log says".to_owned(),
            ),
        };
        Error::new(kind, hide(message, hidden)).at(place).hint(hide(hint, hidden))
    }

    fn answer(&self) -> String {
        let words: Vec<&str> =
            [self.code.as_str(), self.message.as_str()].into_iter().filter(|word| !word.is_empty()).collect();
        match words.is_empty() {
            true => self.status.to_string(),
            false => format!("{} {}", self.status, words.join(": ")),
        }
    }
}

/// `text` without any of `hidden`: servers repeat in their answers what they were sent.
pub fn hide(text: String, hidden: &[String]) -> String {
    hidden
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| text.replace(secret, "[hidden]"))
}

/// `Retry-After`, in seconds or as a date, which is compared with the answer's own.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let moment = |text: &str| DateTime::from_str(text, DateTimeFormat::HttpDate).ok();
    let (until, now) = (moment(text)?, moment(response.headers().get("date")?)?);
    Some(Duration::from_secs(u64::try_from(until.secs().saturating_sub(now.secs())).unwrap_or(0)))
}
