//! What every request passes before its handler: bounds of its head, and on both listeners of `dev` its Host and Origin.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, ORIGIN, TRANSFER_ENCODING};

use super::intake::Intake;
use super::problem::{Kind, Problem};

/// Longest request target, in bytes: 12 channels of 200 bytes, every byte percent-encoded, and a cursor.
pub const MAX_TARGET: usize = 8 << 10;
/// Most bytes of a request's header fields. (actix-web itself gives up at 128 KiB and 96 fields.)
pub const MAX_FIELDS: usize = 16 << 10;

/// Which hosts a listener answers to. The default answers to all.
///
/// A page of any web site can have its own name resolve to a loopback address and then read what listens there as its own
/// origin (DNS rebinding): a listener on loopback answers only to the names that it goes by.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Option<Vec<String>>);

impl Hosts {
    /// Answers only to these hosts, whatever the port: names in lower case or addresses, IPv6 in brackets.
    #[must_use]
    pub fn only(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(Some(hosts.into_iter().collect()))
    }

    /// Answers only to loopback's names.
    #[must_use]
    pub fn loopback() -> Self {
        Self::only(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned))
    }

    /// Whether it answers to all.
    pub(super) fn are_all(&self) -> bool {
        self.0.is_none()
    }

    /// Checks `Host` and, where there is one, `Origin`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(allowed) = &self.0 else { return Ok(()) };
        let is_allowed = |authority: &str| {
            let host = host(authority).to_ascii_lowercase();
            allowed.contains(&host)
        };
        let mut hosts = headers.get_all(HOST);
        match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(authority)), None) if is_allowed(authority) => {}
            _ => return Err(Kind::ForeignHost.because("this listener doesn't answer to that Host")),
        }
        match headers.get(ORIGIN).map(HeaderValue::to_str) {
            None => Ok(()),
            Some(Ok(origin)) if origin.split_once("://").is_some_and(|(_, authority)| is_allowed(authority)) => Ok(()),
            Some(_) => Err(Kind::ForeignHost.because("this listener doesn't answer to pages of that Origin")),
        }
    }
}

/// An authority without its port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    }
}

/// Refuses what is too large, or foreign.
pub fn check(request: &ServiceRequest, hosts: &Hosts) -> Result<(), Problem> {
    if let Some(intake) = request.conn_data::<Intake>() {
        intake.begin();
    }
    let head = request.head();
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET {
        return Err(Kind::TargetTooLong.because(format!("a request target has at most {MAX_TARGET} bytes")));
    }
    let fields: usize = head.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if fields > MAX_FIELDS {
        return Err(Kind::HeadTooLarge.because(format!("header fields have at most {MAX_FIELDS} bytes together")));
    }
    let has_body = head.headers().contains_key(TRANSFER_ENCODING)
        || head.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body && matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Err(Kind::BadRequest.because("this request has no body"));
    }
    hosts.check(head.headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        Hosts::loopback().check(&headers).is_ok()
    }

    #[test]
    fn only_the_names_of_loopback_are_answered_whatever_the_port() {
        for good in ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
            assert!(checked(good, None), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "::1", "", ":80"] {
            assert!(!checked(bad, None), "{bad}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        assert!(checked("localhost:8080", Some("http://localhost:8080")));
        assert!(checked("localhost:8080", Some("http://127.0.0.1:9999")));
        for bad in ["https://evil.example", "null", "http://localhost.evil.example", "localhost"] {
            assert!(!checked("localhost:8080", Some(bad)), "{bad}");
        }
    }
}
