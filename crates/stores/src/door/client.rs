//! Requests to the door of one object: tried again, gone on with where they were cut.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::address::DoorAddress;
use crate::bucket::Patience;
use crate::bucket::client::random;
use crate::bucket::fetch::Fetched;
use crate::bucket::pack::Ranges;
use crate::bucket::refusal::hide;

/// The header by which a door says that it is one.
const MARK: &str = "dotctl-door";

/// Bytes of an answer in JSON: a page of a listing has some 150 KB.
const JSON_BYTES_MAX: usize = 4 << 20;

/// How long the other side lets us wait for a checkpoint before it asks for patience: its 20 s come to our own.
const WAITS: Duration = Duration::from_secs(20);

/// Bytes that an attempt must bring to count as progress.
const PROGRESS_BYTES_MIN: u64 = 4 << 10;

/// Letters of a message from the other side that are repeated.
const MESSAGE_LETTERS_MAX: usize = 1000;

/// What lets in. No message shows it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// That in `text`.
    ///
    /// # Errors
    /// Malformed where no header can carry it.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Token(text.to_owned())),
            false => Err(Error::malformed(
                "DOTCTL_TOKEN is no token: those have letters, digits and signs of ASCII",
            )),
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// The runtime's clock, for the connector.
#[derive(Debug)]
struct RuntimeSleep;

impl AsyncSleep for RuntimeSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(sleep(duration))
    }
}

/// The door of one object.
pub struct Client {
    connector: Connector,
    address: DoorAddress,
    token: Token,
    patience: Patience,
    /// Whether anything has answered yet.
    reached: AtomicBool,
}

/// Why a request failed.
enum Failure {
    /// It may well succeed later.
    Passing {
        said: String,
        /// When it is to be asked again.
        retry_after: Option<Duration>,
    },
    /// The door says that what was asked for is not there.
    Absent(Error),
    /// It will not.
    Final(Error),
}

impl Failure {
    fn lost(said: impl Into<String>) -> Self {
        Failure::Passing { said: said.into(), retry_after: None }
    }
}

/// What has gone wrong first.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What is sent.
pub struct Request<'a> {
    pub method: &'static str,
    /// Behind the object's address.
    pub path: &'a str,
    pub headers: &'a [(&'static str, String)],
    pub body: Bytes,
}

impl Client {
    /// A client for the object at `address`. Nothing is sent yet. To be called where a runtime is.
    pub fn new(address: DoorAddress, token: Token, patience: Patience) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(patience.connect).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .sleep_impl(SharedAsyncSleep::new(RuntimeSleep))
            .tls_provider(Provider::rustls(CryptoMode::Ring))
            .build();
        Client { connector, address, token, patience, reached: AtomicBool::new(false) }
    }

    /// How people call the object.
    pub fn location(&self) -> &str {
        self.address.as_str()
    }

    /// Sends a request once. An answer is one of the door's, and not an error.
    async fn send(&self, request: &Request<'_>) -> std::result::Result<HttpResponse, Failure> {
        let made = || -> std::result::Result<HttpRequest, ()> {
            let mut made = HttpRequest::new(SdkBody::from(request.body.clone()));
            made.set_method(request.method).map_err(drop)?;
            made.set_uri(format!("{}/{}", self.address.as_str(), request.path)).map_err(drop)?;
            let headers = made.headers_mut();
            headers.try_insert("authorization", format!("Bearer {}", self.token.0)).map_err(drop)?;
            headers.try_insert("accept-encoding", "identity").map_err(drop)?;
            headers.try_insert("user-agent", concat!("dotctl/", env!("CARGO_PKG_VERSION"))).map_err(drop)?;
            headers.try_insert("content-length", request.body.len().to_string()).map_err(drop)?;
            for (name, value) in request.headers {
                headers.try_insert(*name, value.clone()).map_err(drop)?;
            }
            Ok(made)
        };
        let made = made().map_err(|()| {
            Failure::Final(self.error(ErrorKind::Malformed, "the request could not be made".to_owned()))
        })?;
        let sending = Duration::from_secs(request.body.len() as u64 / Patience::SENT_BYTES_PER_SECOND_MIN);
        let answer = match timeout(self.patience.reply + WAITS + sending, self.connector.call(made)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_user() => {
                return Err(Failure::Final(
                    self.error(ErrorKind::Io, "the request could not be sent".to_owned()),
                ));
            }
            Ok(Err(error)) => {
                let cause = self.shown(&innermost(&error));
                return Err(Failure::lost(format!("the connection failed or was cut: {cause}")));
            }
            Err(_) => return Err(Failure::lost("no answer within the time for it")),
        };
        self.reached.store(true, Ordering::Relaxed);
        self.judge(answer).await
    }

    /// Passes on what is an answer of the door's, and no error.
    async fn judge(&self, answer: HttpResponse) -> std::result::Result<HttpResponse, Failure> {
        let status = answer.status().as_u16();
        let is_door = answer.headers().get(MARK).is_some();
        if is_door && (answer.status().is_success() || status == 416) {
            return Ok(answer);
        }
        let retry_after = answer
            .headers()
            .get("retry-after")
            .and_then(|text| text.trim().parse::<u32>().ok())
            .map(|seconds| Duration::from_secs(seconds.into()));
        let told = match is_door {
            true => self.told(&self.read_json(answer).await?),
            false => None,
        };
        let server = self.address.server();
        let passing =
            matches!(status, 408 | 429 | 502 | 503 | 504 | 520..=530) || (status == 500 && !is_door);
        Err(match (status, told) {
            (_, told) if passing => {
                let said = told.map(|error| format!(": {}", error.message())).unwrap_or_default();
                Failure::Passing { said: format!("{server} answers {status}{said}"), retry_after }
            }
            (_, Some(error)) if error.kind() == ErrorKind::Missing => Failure::Absent(error),
            (_, Some(error)) => Failure::Final(error),
            (401, _) => Failure::Final(
                self.error(ErrorKind::Io, "the object does not let this token in".to_owned())
                    .hint("set DOTCTL_TOKEN to a token that the worker knows and that has not expired"),
            ),
            // Not missing: that would be believed of a single item.
            (404, _) => Failure::Final(
                self.error(ErrorKind::Io, "there is no door of an object at this address".to_owned()).hint(
                    "check the address; a worker has a door only where it has a token: docs/WORKER.md, \"The door\"",
                ),
            ),
            (300..=399, _) => Failure::Final(
                self.error(ErrorKind::Io, format!("{server} sends us elsewhere, where the token is not carried"))
                    .hint("give the address to which it leads, if you trust it"),
            ),
            _ => Failure::Final(
                self.error(ErrorKind::Io, format!("what answers at this address is no door of an object: {status}"))
                    .hint("check the address; docs/WORKER.md says how a worker gets a door"),
            ),
        })
    }

    /// What the door says of a failure.
    fn told(&self, body: &Value) -> Option<Error> {
        let error = body.get("error")?;
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(|text| self.shown(text));
        let kind = match error.get("kind").and_then(Value::as_str)? {
            "malformed" => ErrorKind::Malformed,
            "corrupt" => ErrorKind::Corrupt(Damage::Malformed),
            "unsupported" => ErrorKind::Unsupported,
            "missing" => ErrorKind::Missing,
            "exists" => ErrorKind::Exists,
            "busy" => ErrorKind::Busy,
            "sealed" => ErrorKind::Sealed,
            _ => ErrorKind::Io,
        };
        let told = self.error(kind, text("message")?);
        Some(match text("hint") {
            Some(hint) => told.hint(hint),
            None => told,
        })
    }

    /// Words of the other side, as people get to see them.
    fn shown(&self, text: &str) -> String {
        let plain = text.chars().filter(|letter| !letter.is_control()).take(MESSAGE_LETTERS_MAX);
        hide(plain.collect(), std::slice::from_ref(&self.token.0))
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, message).at(self.location())
    }

    /// Tries again what `attempt` does until it succeeds, fails for good, or has failed too often.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Failure>>,
    {
        let mut failures = 0;
        loop {
            match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.pause_after(failure, &mut failures).await?,
            }
        }
    }

    /// Waits, unless `failure` is final or one too many.
    async fn pause_after(&self, failure: Failure, failures: &mut u32) -> Result<()> {
        crate::interrupt::check()?;
        let (said, retry_after) = match failure {
            Failure::Final(error) | Failure::Absent(error) => return Err(error),
            Failure::Passing { said, retry_after } => (said, retry_after),
        };
        *failures += 1;
        let attempts_max = match self.reached.load(Ordering::Relaxed) {
            true => self.patience.attempts,
            false => self.patience.first_attempts,
        };
        if *failures >= attempts_max {
            let server = self.address.server();
            return Err(self
                .error(ErrorKind::Io, format!("cannot reach the object by way of {server}: {said}"))
                .hint("check the address and the network, then run the command again"));
        }
        let doubled = self.patience.pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let pause = retry_after.unwrap_or(doubled).min(self.patience.pause_max);
        sleep(pause + pause / 1024 * (random() % 512) as u32).await;
        Ok(())
    }

    /// Sends a request until it is answered, with JSON.
    pub async fn ask(&self, request: &Request<'_>) -> Result<(u16, Value)> {
        self.patiently(|| async {
            let answer = self.send(request).await?;
            Ok((answer.status().as_u16(), self.read_json(answer).await?))
        })
        .await
    }

    /// Sends a request once, whatever comes of it.
    pub async fn ask_once(&self, request: &Request<'_>) {
        let _ = self.send(request).await;
    }

    /// The same as [`Client::ask`] of a request whose work goes on behind it, until it is done.
    pub async fn ask_until_done(&self, request: &Request<'_>) -> Result<Value> {
        loop {
            crate::interrupt::check()?;
            match self.ask(request).await? {
                (202, _) => {}
                (_, answer) => return Ok(answer),
            }
        }
    }

    async fn read_json(&self, answer: HttpResponse) -> std::result::Result<Value, Failure> {
        let promised = content_length(&answer);
        let mut body = ByteStream::new(answer.into_body());
        let mut bytes = Vec::new();
        loop {
            match timeout(self.patience.stall, body.next()).await {
                Ok(Some(Ok(part))) => bytes.extend_from_slice(&part),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(Failure::lost("the answer was cut")),
                Err(_) => return Err(Failure::lost("the answer stalled")),
            }
            if bytes.len() > JSON_BYTES_MAX {
                let message = format!("the object answers with more than {JSON_BYTES_MAX} bytes");
                return Err(Failure::Final(self.error(ErrorKind::Io, message)));
            }
        }
        if promised.is_some_and(|promised| promised != bytes.len() as u64) {
            return Err(Failure::lost("the answer was cut"));
        }
        serde_json::from_slice(&bytes).map_err(|_| Failure::lost("the answer is no JSON"))
    }

    /// Gives the bytes `range` of the item `key` to `sink`, in order, whatever happens to the connection; an
    /// answer may have fewer than were asked for. `None` where there is no such item; otherwise how many bytes it has,
    /// which may be fewer than the range ends with. `total_bytes` is what it should have, if that is known: nothing of
    /// another one is given.
    pub async fn fetch(
        &self,
        key: &str,
        range: Range<u64>,
        total_bytes: Option<u64>,
        mut sink: impl FnMut(&[u8]) + Send,
    ) -> Result<Option<u64>> {
        let path = format!("items/{}", escaped(key));
        let (mut at, mut failures) = (range.start, 0);
        let mut known = total_bytes;
        while at < range.end {
            let begun_at = at;
            let headers = [("range", format!("bytes={at}-{}", range.end - 1))];
            let request = Request { method: "GET", path: &path, headers: &headers, body: Bytes::new() };
            let failure = match self.send(&request).await {
                Ok(answer) => match told_range(&answer) {
                    Some((first, end, total)) => {
                        if known.is_some_and(|known| known != total) {
                            return Ok(Some(total));
                        }
                        known = Some(total);
                        match first == at && end <= range.end {
                            true => self.receive(answer, end, &mut at, &mut sink).await,
                            false => Failure::lost("the object does not send the range that was asked for"),
                        }
                    }
                    None if answer.status().as_u16() == 416 => {
                        // The item ends before the range begins.
                        let total = answer
                            .headers()
                            .get("content-range")
                            .and_then(|text| text.strip_prefix("bytes */"));
                        return Ok(Some(total.and_then(|total| total.parse().ok()).unwrap_or(0)));
                    }
                    None => Failure::lost("the object does not say what range it sends"),
                },
                Err(Failure::Absent(_)) => return Ok(None),
                Err(failure) => failure,
            };
            if at >= range.end || known.is_some_and(|total| at >= total) {
                break;
            }
            if let (true, Failure::Passing { said, .. }) = (at > begun_at, &failure)
                && said.is_empty()
            {
                // All of an answer came, and there is more.
                failures = 0;
                continue;
            }
            if at - begun_at >= PROGRESS_BYTES_MIN {
                failures = 0;
            }
            self.pause_after(failure, &mut failures).await?;
        }
        Ok(known)
    }

    /// Passes on what arrives, up to `end`; with nothing said where all of that came.
    async fn receive(
        &self,
        answer: HttpResponse,
        end: u64,
        at: &mut u64,
        sink: &mut (impl FnMut(&[u8]) + Send),
    ) -> Failure {
        let mut body = ByteStream::new(answer.into_body());
        while *at < end {
            match timeout(self.patience.stall, body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    let wanted = usize::try_from(end - *at).unwrap_or(usize::MAX).min(bytes.len());
                    sink(bytes.get(..wanted).unwrap_or_default());
                    *at += wanted as u64;
                }
                Ok(Some(Err(_)) | None) => return Failure::lost("the answer was cut"),
                Err(_) => return Failure::lost("the answer stalled"),
            }
        }
        Failure::lost("")
    }
}

impl Ranges for Client {
    async fn fetch_range(
        &self,
        key: &str,
        range: Range<u64>,
        total_bytes: u64,
        sink: impl FnMut(&[u8]) + Send,
    ) -> Result<Fetched> {
        Ok(match self.fetch(key, range, Some(total_bytes), sink).await? {
            None => Fetched::Missing,
            Some(actual) if actual == total_bytes => Fetched::Whole,
            Some(actual) => Fetched::OtherLength(actual),
        })
    }
}

fn content_length(answer: &HttpResponse) -> Option<u64> {
    answer.headers().get("content-length").and_then(|text| text.parse().ok())
}

/// `bytes 5-9/100`: where it begins, where it ends, and how many bytes there are.
fn told_range(answer: &HttpResponse) -> Option<(u64, u64, u64)> {
    let (range, total) = answer.headers().get("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) =
        (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (answer.status().as_u16() == 206 && first <= last && last < total).then(|| (first, last + 1, total))
}

/// `key` as it stands in a path.
pub fn escaped(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
