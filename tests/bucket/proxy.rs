//! A server that fails: a proxy which does to some requests what networks and servers do.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::Random;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    Status500,
    Status503,
    /// With no word about it.
    Status429,
    /// With a code that says so.
    Status429Code,
    /// With a time to wait.
    Status429RetryAfter,
    Status409,
    /// One of Cloudflare's own, 520 to 530.
    Status52x,
    /// The connection is cut before the request has arrived.
    Reset,
    /// The request arrives and is carried out; the answer gets lost.
    LostReply,
    /// The answer ends early, though its length was told.
    Truncated,
    /// The answer ends early, and nothing tells that it does.
    TruncatedSilently,
    /// A bit of an object is another.
    Flipped,
    /// The answer does not begin.
    StalledHead,
    /// The answer stops in the middle.
    StalledBody,
    /// A page of a listing comes again in place of the next.
    DuplicatedPage,
    /// A page of a listing is skipped.
    MissingPage,
}

impl Fault {
    pub const ALL: [Fault; 16] = [
        Fault::Status500,
        Fault::Status503,
        Fault::Status429,
        Fault::Status429Code,
        Fault::Status429RetryAfter,
        Fault::Status409,
        Fault::Status52x,
        Fault::Reset,
        Fault::LostReply,
        Fault::Truncated,
        Fault::TruncatedSilently,
        Fault::Flipped,
        Fault::StalledHead,
        Fault::StalledBody,
        Fault::DuplicatedPage,
        Fault::MissingPage,
    ];

    /// Whether it can happen to such a request.
    fn concerns(self, request: &Request) -> bool {
        match self {
            Fault::Flipped | Fault::TruncatedSilently => request.is_object(),
            Fault::DuplicatedPage | Fault::MissingPage => request.token().is_some(),
            _ => true,
        }
    }
}

/// How long a stalled answer lasts.
pub const STALL: Duration = Duration::from_millis(1500);

/// A proxy in front of a server.
pub struct Proxy {
    pub endpoint_url: String,
    pub shared: Arc<Shared>,
    address: SocketAddr,
}

pub struct Shared {
    upstream: String,
    /// Of a million requests, how many meet a fault.
    per_million: AtomicU64,
    /// The faults that happen.
    faults: Mutex<Vec<Fault>>,
    random: Mutex<Random>,
    /// The last page of each listing.
    pages: Mutex<HashMap<String, Vec<u8>>>,
    /// How often each has happened.
    pub met: Mutex<HashMap<Fault, u64>>,
    /// Whether a refused condition is answered as if there had been none.
    pub ignores_conditions: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    pub fn start(upstream_url: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        // The endpoint may be a path of the server's.
        let upstream = upstream_url.trim_start_matches("http://");
        let (upstream, path) = upstream.split_once('/').unwrap_or((upstream, ""));
        let endpoint_url = format!("http://{address}/{}", path.trim_end_matches('/'));
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            per_million: AtomicU64::new(0),
            faults: Mutex::new(Fault::ALL.to_vec()),
            random: Mutex::new(Random(seed)),
            pages: Mutex::new(HashMap::new()),
            met: Mutex::new(HashMap::new()),
            ignores_conditions: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let state = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.ended.load(Ordering::Relaxed) {
                    break;
                }
                let state = state.clone();
                // A client that goes away is nobody's failure.
                std::thread::spawn(move || drop(serve(&client, &state)));
            }
        });
        Proxy { endpoint_url, shared, address }
    }

    /// From now on `percent` of all requests meet one of `faults`.
    pub fn fail(&self, percent: u64, faults: &[Fault]) {
        *self.shared.faults.lock().expect("a lock") = faults.to_vec();
        self.shared.per_million.store(percent * 10_000, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // It looks up when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, query)| query)
    }

    fn is_listing(&self) -> bool {
        self.query().is_some_and(|query| query.contains("list-type=2"))
    }

    fn is_object(&self) -> bool {
        self.method == "GET" && !self.is_listing()
    }

    /// The page that a listing asks for.
    fn token(&self) -> Option<&str> {
        let query = self.query().filter(|_| self.is_listing())?;
        query.split('&').find_map(|part| part.strip_prefix("continuation-token="))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

struct Response {
    /// Status line and headers, without what frames the body.
    head: String,
    body: Vec<u8>,
    /// The length that a head without a body tells.
    told: Option<usize>,
}

impl Response {
    fn write(&self, to: &mut impl Write, body: &[u8], framed: bool) -> io::Result<()> {
        let length = self.told.unwrap_or(self.body.len());
        let frame = match framed {
            true => format!("content-length: {length}\r\n"),
            false => "connection: close\r\n".to_owned(),
        };
        to.write_all(format!("{}{frame}\r\n", self.head).as_bytes())?;
        to.write_all(body)?;
        to.flush()
    }
}

/// Answers one connection's requests.
fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client.try_clone()?);
    let mut writer = client.try_clone()?;
    while let Some((method, path, headers)) = read_head(&mut reader)? {
        let mut request = Request { method, path, headers, body: Vec::new() };
        let fault = shared.choose(&request);
        if fault == Some(Fault::Reset) {
            return Ok(());
        }
        if request.header("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
        if let Some((status, more, code)) = fault.and_then(|fault| shared.refusal(fault)) {
            let body = match code {
                "" => String::new(),
                code => format!("<Error><Code>{code}</Code><Message>not now</Message></Error>"),
            };
            let body = if request.method == "HEAD" { String::new() } else { body };
            let length = body.len();
            write!(writer, "HTTP/1.1 {status} no\r\n{more}content-length: {length}\r\n\r\n{body}")?;
            continue;
        }
        let mut answer = shared.forward(&request)?;
        if shared.ignores_conditions.load(Ordering::Relaxed) && answer.head.contains(" 412 ") {
            answer = Response { head: "HTTP/1.1 200 OK\r\n".to_owned(), body: Vec::new(), told: None };
        }
        match fault {
            Some(Fault::LostReply) => return Ok(()),
            Some(Fault::Truncated | Fault::StalledBody) if !answer.body.is_empty() => {
                let half = answer.body.len() / 2;
                answer.write(&mut writer, &answer.body[..half], true)?;
                if fault == Some(Fault::StalledBody) {
                    std::thread::sleep(STALL);
                }
                return Ok(());
            }
            Some(Fault::TruncatedSilently) => {
                return answer.write(&mut writer, &answer.body[..answer.body.len() / 2], false);
            }
            Some(Fault::Flipped) if !answer.body.is_empty() => {
                let bit = shared.below(answer.body.len() as u64 * 8) as usize;
                answer.body[bit / 8] ^= 1 << (bit % 8);
            }
            Some(Fault::StalledHead) => {
                std::thread::sleep(STALL);
                return Ok(());
            }
            Some(Fault::DuplicatedPage) => {
                if let Some(page) = shared.pages.lock().expect("a lock").get(&listing_of(&request)) {
                    answer.body.clone_from(page);
                }
            }
            Some(Fault::MissingPage) => answer = shared.skip_page(&request, answer)?,
            _ => {}
        }
        if request.is_listing() {
            shared.pages.lock().expect("a lock").insert(listing_of(&request), answer.body.clone());
        }
        answer.write(&mut writer, &answer.body, true)?;
    }
    Ok(())
}

/// A listing's prefix, so that its pages are known as one's.
fn listing_of(request: &Request) -> String {
    let parts = request.query().unwrap_or_default().split('&');
    parts.filter(|part| part.starts_with("prefix=")).collect()
}

impl Shared {
    fn below(&self, bound: u64) -> u64 {
        self.random.lock().expect("a lock").below(bound)
    }

    fn choose(&self, request: &Request) -> Option<Fault> {
        if self.below(1_000_000) >= self.per_million.load(Ordering::Relaxed) {
            return None;
        }
        let faults = self.faults.lock().expect("a lock").clone();
        let possible: Vec<Fault> = faults.into_iter().filter(|fault| fault.concerns(request)).collect();
        if possible.is_empty() {
            return None;
        }
        let fault = possible[self.below(possible.len() as u64) as usize];
        *self.met.lock().expect("a lock").entry(fault).or_default() += 1;
        Some(fault)
    }

    /// The status, headers and code of a fault that is an answer.
    fn refusal(&self, fault: Fault) -> Option<(u64, &'static str, &'static str)> {
        match fault {
            Fault::Status500 => Some((500, "", "InternalError")),
            Fault::Status503 => Some((503, "", "SlowDown")),
            Fault::Status429 => Some((429, "", "")),
            Fault::Status429Code => Some((429, "", "TooManyRequests")),
            Fault::Status429RetryAfter => Some((429, "retry-after: 1\r\n", "")),
            Fault::Status409 => Some((409, "", "OperationAborted")),
            Fault::Status52x => Some((520 + self.below(11), "content-type: text/html\r\n", "")),
            _ => None,
        }
    }

    fn forward(&self, request: &Request) -> io::Result<Response> {
        self.ask(&request.method, &request.path, &request.headers, &request.body)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut server = TcpStream::connect(&self.upstream)?;
        server.set_nodelay(true)?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            if !["connection", "expect"].contains(&name.to_ascii_lowercase().as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        server.write_all(format!("{head}\r\n").as_bytes())?;
        server.write_all(body)?;
        let mut reader = BufReader::new(server);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut response = Response { head: line, body: Vec::new(), told: None };
        let mut chunked = false;
        for (name, value) in read_headers(&mut reader)? {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => response.told = value.parse().ok(),
                "transfer-encoding" => chunked = true,
                "connection" | "keep-alive" => {}
                _ => response.head += &format!("{name}: {value}\r\n"),
            }
        }
        match method {
            "HEAD" => {}
            _ if chunked => {
                read_chunks(&mut reader, &mut response.body)?;
                response.told = None;
            }
            _ => match response.told.take() {
                Some(length) => {
                    response.body.resize(length, 0);
                    reader.read_exact(&mut response.body)?;
                }
                None => drop(reader.read_to_end(&mut response.body)?),
            },
        }
        Ok(response)
    }

    /// The answer to the request for the next page in place of this one: without this page's names,
    /// and with the token that the next page answers. (The next page itself needs a signature that
    /// only the client can make.)
    fn skip_page(&self, request: &Request, answer: Response) -> io::Result<Response> {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        // Without the names there is nothing left but the way on.
        let (Some(begin), Some(end)) = (text.find("<Contents>"), text.rfind("</Contents>")) else {
            return Ok(answer);
        };
        let count = text.matches("<Contents>").count();
        let mut body = format!("{}{}", &text[..begin], &text[end + "</Contents>".len()..]);
        body = body.replace(&format!("<KeyCount>{count}</KeyCount>"), "<KeyCount>0</KeyCount>");
        // As the answer to the request for the page after it would say.
        if let (Some(token), Some(next)) = (request.token(), element(&text, "NextContinuationToken")) {
            let asked = format!("<ContinuationToken>{}</ContinuationToken>", decoded(token));
            assert!(body.contains(&asked), "{body}");
            body = body.replace(&asked, &format!("<ContinuationToken>{next}</ContinuationToken>"));
        }
        Ok(Response { body: body.into_bytes(), ..answer })
    }
}

/// A query's `%2F` as `/`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%') {
            Some(value) => {
                bytes.push(value);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("a token is text")
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let begin = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text.find(&format!("</{name}>"))?;
    text.get(begin..end)
}

type Headers = Vec<(String, String)>;

fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, String, Headers)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Some((method, path, read_headers(reader)?)))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Headers> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => return Ok(headers),
        }
    }
}

fn read_chunks(reader: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16)
            .map_err(io::Error::other)?;
        let begin = into.len();
        into.resize(begin + length, 0);
        reader.read_exact(&mut into[begin..])?;
        reader.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(());
        }
    }
}
