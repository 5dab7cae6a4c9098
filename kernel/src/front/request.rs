//! What the front takes for a plain request: complete, in HTTP/1.1, from a program on this machine. Everything else is for the server.
//!
//! Nothing is refused here. A request that is declined is read again by the server, whose rules alone decide about it.

use httparse::{EMPTY_HEADER, Status};

const START: &[u8] = b"POST / HTTP/1.1\r\n";
const HEADERS_MAX: usize = 32;
/// More digits are no small body.
const LENGTH_DIGITS_MAX: usize = 5;

/// The body of the first request in `bytes`, and where the next one begins.
pub fn plain<'a>(bytes: &'a [u8], hosts: &[Vec<u8>]) -> Option<(&'a [u8], usize)> {
    let fields = bytes.strip_prefix(START)?;
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let Ok(Status::Complete((size, headers))) = httparse::parse_headers(fields, &mut headers) else { return None };
    if has_bare_line_end(&fields[..size]) {
        return None;
    }
    let (mut host, mut length) = (None, None);
    for header in headers {
        match kind(header.name) {
            Kind::Host if host.is_none() && hosts.iter().any(|host| host == header.value) => host = Some(()),
            Kind::Length if length.is_none() => length = Some(number(header.value)?),
            Kind::KeepAlive if header.value.eq_ignore_ascii_case(b"keep-alive") => {}
            Kind::Indifferent => {}
            _ => return None,
        }
    }
    host?;
    let start = START.len() + size;
    let end = start.checked_add(length?)?;
    Some((bytes.get(start..end)?, end))
}

enum Kind {
    Host,
    Length,
    KeepAlive,
    Indifferent,
    /// Changes who may ask, or how the request is to be read.
    Weighty,
}

fn kind(name: &str) -> Kind {
    const INDIFFERENT: [&str; 8] =
        ["accept", "accept-encoding", "accept-language", "cache-control", "content-type", "pragma", "sec-fetch-mode", "user-agent"];
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match () {
        () if is("host") => Kind::Host,
        () if is("content-length") => Kind::Length,
        () if is("connection") => Kind::KeepAlive,
        () if INDIFFERENT.into_iter().any(is) => Kind::Indifferent,
        () => Kind::Weighty,
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    (text.len() <= LENGTH_DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// httparse takes a line feed without a carriage return for the end of a line; the server does not.
fn has_bare_line_end(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).any(|place| place == 0 || head[place - 1] != b'\r')
}

#[cfg(test)]
mod tests {
    use super::plain;
    use proptest::prelude::*;

    const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#;

    fn found(request: &str) -> Option<(&[u8], usize)> {
        plain(request.as_bytes(), &[b"localhost".to_vec(), b"127.0.0.1:8545".to_vec()])
    }

    fn request(headers: &str) -> String {
        format!("POST / HTTP/1.1\r\n{headers}\r\n{BODY}")
    }

    #[test]
    fn a_request_of_a_library_is_plain_and_the_next_one_follows_it() {
        for host in ["localhost", "127.0.0.1:8545"] {
            let one = request(&format!(
                "Host: {host}\r\nconnection: Keep-Alive\r\nContent-Type: application/json\r\nAccept: */*\r\nuser-agent: x\r\ncontent-length: {}\r\n",
                BODY.len()
            ));
            assert_eq!(found(&one), Some((BODY.as_bytes(), one.len())));
            let two = one.clone() + &one;
            assert_eq!(found(&two), Some((BODY.as_bytes(), one.len())));
            assert!((0..one.len()).all(|size| found(&one[..size]).is_none()), "a part of a request was taken for a whole one");
        }
    }

    #[test]
    fn whatever_the_server_has_a_rule_for_is_left_to_it() {
        let length = BODY.len();
        for (headers, why) in [
            (format!("Content-Length: {length}\r\n"), "no host"),
            (format!("Host: example.org\r\nContent-Length: {length}\r\n"), "a host that was not named"),
            (format!("Host: localhost\r\nHost: localhost\r\nContent-Length: {length}\r\n"), "two hosts"),
            ("Host: localhost\r\n".to_owned(), "no length"),
            (format!("Host: localhost\r\nContent-Length: +{length}\r\n"), "a signed length"),
            ("Host: localhost\r\nContent-Length: \r\n".to_owned(), "an empty length"),
            ("Host: localhost\r\nContent-Length: 18446744073709551615\r\n".to_owned(), "a length that overflows"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n"), "two lengths"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), "chunks"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nOrigin: http://localhost\r\n"), "a web page"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nSec-Fetch-Site: cross-site\r\n"), "a web page that embeds"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nAuthorization: Bearer x\r\n"), "a token"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n"), "a question"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n"), "the last request"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\nConnection: upgrade\r\n"), "an upgrade"),
            (format!("Host: localhost\nContent-Length: {length}\r\n"), "a bare line feed"),
            (format!("Host : localhost\r\nContent-Length: {length}\r\n"), "a blank before the colon"),
            (format!("Host: localhost\r\nAccept: a\r\n b\r\nContent-Length: {length}\r\n"), "a folded header"),
            (format!("Host: localhost\r\nContent-Length: {length}\r\n") + &"Accept: a\r\n".repeat(100), "many headers"),
        ] {
            assert_eq!(found(&request(&headers)), None, "{why}");
        }
        let good = request(&format!("Host: localhost\r\nContent-Length: {length}\r\n"));
        assert!(found(&good).is_some());
        for (from, to) in [("POST", "GET"), ("POST", "post"), (" / ", " /x "), ("HTTP/1.1", "HTTP/1.0"), ("POST", "\r\nPOST")] {
            assert_eq!(found(&good.replacen(from, to, 1)), None, "{to:?} instead of {from:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_within_their_bounds(tail in proptest::collection::vec(any::<u8>(), 0..300), start in 0..90_usize) {
            let mut bytes = request(&format!("Host: localhost\r\nContent-Length: {}\r\n", BODY.len())).into_bytes();
            bytes.truncate(start);
            bytes.extend(tail);
            if let Some((body, end)) = plain(&bytes, &[b"localhost".to_vec()]) {
                prop_assert!(end <= bytes.len() && body.len() < end);
            }
        }
    }
}
