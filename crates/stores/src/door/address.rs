//! `https://worker.example/…/objects/NAME`: where a live object is.

use std::net::IpAddr;

use dotctl_engine::{Error, Result};

/// The address of a live object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorAddress {
    /// Without a `/` at its end.
    text: String,
    /// Its host, with the port.
    server: String,
}

/// What every message about an address says next.
const EXAMPLE: &str = "a live object is https://HOST/PATH/objects/NAME, with its name percent-encoded and DOTCTL_TOKEN in the environment";

impl DoorAddress {
    /// The address that `text` is; `None` where it is none of http or https. No message repeats it: people put
    /// credentials into addresses.
    ///
    /// # Errors
    /// Malformed where it is not that of an object; unsupported where a token would travel in the clear.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(None);
        };
        let encrypted = scheme.eq_ignore_ascii_case("https");
        if !encrypted && !scheme.eq_ignore_ascii_case("http") {
            return Ok(None);
        }
        let wrong = |what: &str| Error::malformed(what).hint(EXAMPLE);
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("an address has only ASCII characters and no blanks"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong("the address of an object has no `?` and no `#`"));
        }
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        if server.contains('@') {
            return Err(wrong("the address holds a user's name or password"));
        }
        let host = host(server).ok_or_else(|| wrong("the address names no host"))?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.rsplit('/');
        let is_object = parts.next().is_some_and(|name| !name.is_empty() && has_escapes(name))
            && parts.next() == Some("objects");
        if !is_object || parts.any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(wrong("the address does not end with /objects/NAME"));
        }
        if !encrypted && !is_loopback(host) {
            return Err(Error::unsupported(
                "http:// would show the token to everybody on the way; only this machine itself is asked so",
            )
            .hint("https://"));
        }
        let scheme = if encrypted { "https" } else { "http" };
        Ok(Some(DoorAddress { text: format!("{scheme}://{server}/{path}"), server: server.to_owned() }))
    }

    /// As people write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host that is asked, with its port.
    pub fn server(&self) -> &str {
        &self.server
    }
}

/// The host in `HOST[:PORT]`, an IPv6 address without its brackets.
fn host(server: &str) -> Option<&str> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => server.split_once(':').map_or((server, ""), |(host, port)| (host, port)),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.is_empty() || port.parse::<u16>().is_ok();
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    (is_port && !host.is_empty() && host.chars().all(is_letter)).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether every `%` begins an escape.
fn has_escapes(name: &str) -> bool {
    name.split('%')
        .skip(1)
        .all(|rest| rest.get(..2).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_object() {
        for (text, expected) in [
            ("https://worker.example/objects/one", "https://worker.example/objects/one"),
            ("HTTPS://worker.example:8443/a/b/objects/one/", "https://worker.example:8443/a/b/objects/one"),
            ("http://127.0.0.1:8787/objects/a%20b", "http://127.0.0.1:8787/objects/a%20b"),
            ("http://[::1]:8787/objects/a", "http://[::1]:8787/objects/a"),
            ("http://localhost/objects/a", "http://localhost/objects/a"),
            ("https://w.example/objects/objects", "https://w.example/objects/objects"),
        ] {
            assert_eq!(DoorAddress::parse(text).unwrap().unwrap().as_str(), expected);
        }
        for text in ["s3://bucket/objects/a", "folder/objects/a", "-", "/objects/a"] {
            assert_eq!(DoorAddress::parse(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_and_not_repeated() {
        for text in [
            "https://",
            "https://worker.example",
            "https://worker.example/",
            "https://worker.example/objects/",
            "https://worker.example/objects//",
            "https://worker.example/hunter2/one",
            "https://worker.example/objects/one/hunter2",
            "https://worker.example/a//objects/one",
            "https://worker.example/../objects/one",
            "https://worker.example/objects/hunter2%2",
            "https://worker.example/objects/one?token=hunter2",
            "https://worker.example/objects/one#hunter2",
            "https://me:hunter2@worker.example/objects/one",
            "https://hunter2@worker.example/objects/one",
            "https://worker.example:hunter2/objects/one",
            "https://worker example/objects/one",
            "https://:443/objects/one",
            "https://[::1/objects/one",
            "http://worker.example/objects/hunter2",
            "http://127.0.0.1.example/objects/hunter2",
            "http://0.0.0.0/objects/hunter2",
            "http://localhost.example/objects/one",
        ] {
            let error = DoorAddress::parse(text).unwrap_err();
            let said = format!("{error} {}", error.next_step().unwrap_or_default());
            assert!(!said.contains("hunter2"), "{text}: {said}");
        }
    }
}
