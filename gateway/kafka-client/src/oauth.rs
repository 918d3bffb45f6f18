//! Tokens for SASL OAUTHBEARER: the client-credentials grant (RFC 6749, section 4.4).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::client::OAuthToken;
use ureq::http::Uri;

use crate::https;

/// The whole call, connecting included. It runs on the client's polling thread, which can't rebalance meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tokens are some kilobytes; whoever sends more is no token endpoint.
const MOST_BYTES: u64 = 64 << 10;
/// RFC 6749 doesn't demand a lifetime. Asking again after this hurts nobody.
const DEFAULT_LIFETIME: u64 = 300;

/// Where and as whom to ask for tokens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OAuth {
    /// The token endpoint's URL.
    pub endpoint: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: String,
    /// What to ask for.
    pub scope: Option<String>,
    /// Certificate authorities of the endpoint as PEM; without them the public ones.
    pub authorities: Option<String>,
}

impl std::fmt::Debug for OAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuth")
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why there is no token. The client library asks again after some seconds.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The endpoint's URL is neither https nor of this machine: the secret would be sent in the clear.
    #[error("failed to ask for a token: the endpoint must be https")]
    Insecure,
    /// No answer, or none within the bounds.
    #[error("failed to reach the token endpoint")]
    Reach(#[from] ureq::Error),
    /// An answer other than 200. Redirects aren't followed: they would carry the secret elsewhere.
    #[error("failed to get a token: the endpoint answered {0}")]
    Status(u16),
    /// An answer that isn't a token.
    #[error("failed to read the token endpoint's answer")]
    Read(#[from] serde_json::Error),
    /// The certificate authorities aren't PEM.
    #[error(transparent)]
    Authorities(#[from] https::NoAuthorities),
}

#[derive(serde::Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

impl OAuth {
    /// Whether the endpoint is named as one of this machine: `localhost`, or an address of loopback.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        let url = self.endpoint.parse::<Uri>();
        let host = url.ok().and_then(|url| url.host().map(str::to_owned)).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    fn is_secure(&self) -> bool {
        self.is_on_this_machine() || self.endpoint.parse::<Uri>().is_ok_and(|url| url.scheme_str() == Some("https"))
    }

    /// Asks for a token. Blocks for at most 10 s.
    pub fn token(&self) -> Result<OAuthToken, OAuthError> {
        if !self.is_secure() {
            return Err(OAuthError::Insecure);
        }
        let agent = https::agent(TIMEOUT, self.authorities.as_deref().map(str::as_bytes))?;
        // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
        let login = format!("{}:{}", encoded(&self.client_id), encoded(&self.client_secret));
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &self.scope {
            form.push(("scope", scope));
        }
        let mut answer = agent
            .post(&self.endpoint)
            .header("Authorization", format!("Basic {}", STANDARD.encode(login)))
            .header("Accept", "application/json")
            .send_form(form)?;
        if answer.status().as_u16() != 200 {
            return Err(OAuthError::Status(answer.status().as_u16()));
        }
        let text = answer.body_mut().with_config().limit(MOST_BYTES).read_to_string()?;
        let Answer { access_token, expires_in } = serde_json::from_str(&text)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let lifetime = Duration::from_secs(expires_in.unwrap_or(DEFAULT_LIFETIME).min(86_400 * 365));
        Ok(OAuthToken {
            token: access_token,
            principal_name: self.client_id.clone(),
            lifetime_ms: i64::try_from((now + lifetime).as_millis()).unwrap_or(i64::MAX),
        })
    }
}

/// What the client library's callback for tokens gives: a token, or a text that it may show.
pub fn token(oauth: Option<&OAuth>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
    let Some(oauth) = oauth else {
        return Err("no token endpoint is configured".into());
    };
    oauth.token().map_err(|error| {
        tracing::warn!(%error, "failed to get a Kafka token; it is asked for again");
        // The client library turns the text into a C string: no NUL may stand in it.
        error.to_string().replace('\0', " ").into()
    })
}

/// `application/x-www-form-urlencoded`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers one request with `answer`; gives back what was asked.
    fn endpoint(answer: String) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut asked, mut buffer) = (String::new(), [0; 4096]);
            while !asked.contains("client_credentials") {
                let read = socket.read(&mut buffer).unwrap();
                asked.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
            let _ = socket.write_all(answer.as_bytes());
            asked
        });
        (url, thread)
    }

    fn oauth(endpoint: String) -> OAuth {
        OAuth {
            endpoint,
            client_id: "gateway".into(),
            client_secret: "s:1".into(),
            scope: Some("kafka".into()),
            authorities: None,
        }
    }

    fn http(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n{body}", body.len())
    }

    #[test]
    fn a_token_is_asked_for_with_client_credentials() {
        let (url, asked) = endpoint(http("200 OK", "", r#"{"access_token":"abc","expires_in":60}"#));
        let token = oauth(url).token().unwrap();
        assert_eq!((token.token.as_str(), token.principal_name.as_str()), ("abc", "gateway"));
        let asked = asked.join().unwrap();
        assert!(
            asked.to_lowercase().contains(&format!("basic {}", STANDARD.encode("gateway:s%3A1")).to_lowercase()),
            "{asked}"
        );
        assert!(asked.ends_with("grant_type=client_credentials&scope=kafka"), "{asked}");
    }

    #[test]
    fn a_secret_leaves_this_machine_encrypted_or_not_at_all() {
        let here = [
            "http://localhost/token",
            "http://LOCALHOST.:80/",
            "https://127.0.0.9/",
            "http://[::1]:80/",
            "http://[::ffff:127.0.0.1]/",
        ];
        for url in here {
            assert!(oauth(url.into()).is_on_this_machine(), "{url}");
        }
        let there = [
            "http://localhost:80@192.0.2.1/",
            "http://localhost.example.org/",
            "http://192.0.2.1/",
            "ftp://192.0.2.1/",
            "",
        ];
        for url in there {
            assert!(!oauth(url.into()).is_on_this_machine(), "{url}");
            assert!(matches!(oauth(url.into()).token(), Err(OAuthError::Insecure)), "{url}");
        }
        assert!(oauth("https://192.0.2.1/".into()).is_secure());
    }

    #[test]
    fn redirects_refusals_and_floods_are_errors() {
        let (url, asked) = endpoint(http("302 Found", "Location: http://127.0.0.1:1/\r\n", ""));
        assert!(matches!(oauth(url).token(), Err(OAuthError::Status(302))));
        asked.join().unwrap();
        let (url, asked) = endpoint(http("401 Unauthorized", "", "{}"));
        assert!(matches!(oauth(url).token(), Err(OAuthError::Status(401))));
        asked.join().unwrap();
        let (url, asked) = endpoint(http("200 OK", "", &"x".repeat(100_000)));
        assert!(matches!(oauth(url).token(), Err(OAuthError::Reach(_))));
        asked.join().unwrap();
        let (url, asked) = endpoint(http("200 OK", "", "[]"));
        assert!(matches!(oauth(url).token(), Err(OAuthError::Read(_))));
        asked.join().unwrap();
    }
}
