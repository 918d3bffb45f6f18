//! Which web pages of other origins may read the answers (Fetch standard, CORS protocol).
//!
//! A subscription never needs a preflight: a GET whose `Last-Event-ID` has at most 128 safe bytes is a simple request. The
//! preflight is answered for clients that add headers of their own.

use std::time::Duration;

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, VARY,
};

/// Cross-origin rules. The default lets no other origin read.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<String>,
    any: bool,
    credentials: bool,
    max_age: Duration,
}

/// Why cross-origin rules can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// Every page of the web could read what the user's cookies open.
    #[error("origin \"*\" can't be allowed together with credentials")]
    AnyWithCredentials,
    /// Not what a browser would write.
    #[error("\"{0}\" is no origin: write scheme://host[:port], in lower case, without a path")]
    NotAnOrigin(String),
}

impl Cors {
    /// Allows these origins, compared exactly with what the browser sends (`https://shop.example`); `*` allows every page
    /// and goes only without `credentials`. Browsers remember a preflight for `max_age`.
    pub fn new(
        origins: impl IntoIterator<Item = String>,
        credentials: bool,
        max_age: Duration,
    ) -> Result<Self, CorsError> {
        let mut cors = Self { credentials, max_age, ..Self::default() };
        for origin in origins {
            if origin == "*" {
                cors.any = true;
            } else if is_origin(&origin) {
                cors.origins.push(origin);
            } else {
                return Err(CorsError::NotAnOrigin(origin));
            }
        }
        if cors.any && credentials {
            return Err(CorsError::AnyWithCredentials);
        }
        Ok(cors)
    }

    /// Adds what the answer to a request from `origin` needs.
    pub fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        if self.any {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else if !self.origins.is_empty() {
            // Also on answers to other origins: a cache must not give theirs to an allowed one.
            answer.append(VARY, HeaderValue::from_static("Origin"));
            let Some(origin) = origin.filter(|origin| self.allows(origin)) else {
                return;
            };
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.credentials {
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        } else {
            return;
        }
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }

    /// Adds what the answer to a preflight needs beyond [`Self::apply`].
    pub fn preflight(&self, methods: &'static str, answer: &mut HeaderMap) {
        if !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        answer.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        answer.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID"),
        );
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.as_secs()));
    }

    /// Whether pages of an origin may read.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        self.any || self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }
}

/// A scheme, a host and perhaps a port, as browsers serialise them. `null` is none: every sandboxed frame has it.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !scheme.is_empty()
        && scheme.bytes().all(|c| c.is_ascii_lowercase() || matches!(c, b'0'..=b'9' | b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && rest.bytes().all(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cors: &Cors, origin: Option<&str>) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        let origin = origin.map(|origin| HeaderValue::from_str(origin).unwrap());
        cors.apply(origin.as_ref(), &mut headers);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        lines.sort();
        lines
    }

    fn names(lines: &[(String, String)]) -> Vec<&str> {
        lines.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn without_origins_nothing_is_said() {
        assert!(answer(&Cors::default(), Some("https://a.example")).is_empty());
    }

    #[test]
    fn only_the_exact_origin_is_allowed_and_every_answer_varies_by_it() {
        let cors = Cors::new(["https://a.example".to_owned()], true, Duration::ZERO).unwrap();
        let allowed = answer(&cors, Some("https://a.example"));
        assert!(allowed.contains(&("access-control-allow-origin".into(), "https://a.example".into())));
        assert!(allowed.contains(&("access-control-allow-credentials".into(), "true".into())));
        for other in [
            None,
            Some("https://a.example.evil"),
            Some("http://a.example"),
            Some("https://A.example"),
            Some("null"),
            Some("*"),
        ] {
            assert_eq!(names(&answer(&cors, other)), ["vary"], "{other:?}");
        }
    }

    #[test]
    fn every_origin_goes_only_without_credentials() {
        assert_eq!(Cors::new(["*".to_owned()], true, Duration::ZERO).unwrap_err(), CorsError::AnyWithCredentials);
        let cors = Cors::new(["*".to_owned()], false, Duration::ZERO).unwrap();
        let lines = answer(&cors, Some("https://a.example"));
        assert!(lines.contains(&("access-control-allow-origin".into(), "*".into())));
        assert!(!names(&lines).contains(&"access-control-allow-credentials"));
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for bad in ["", "a.example", "https://", "https://a.example/", "HTTPS://a.example", "null", "https://a b"] {
            assert!(Cors::new([bad.to_owned()], false, Duration::ZERO).is_err(), "{bad}");
        }
        assert!(Cors::new(["http://[::1]:8080".to_owned()], false, Duration::ZERO).is_ok());
    }
}
