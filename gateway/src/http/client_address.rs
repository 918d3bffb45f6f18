//! Whose request it is, by address: the peer's, or what proxies that are trusted say.
//!
//! Anybody can send `X-Forwarded-For`, and each proxy adds at its end whom it was asked by. So it is read from its end: as long as
//! who speaks is trusted, the entry before is who it was asked by.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// Whose word counts. The default trusts nobody.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Who sent a request, as far as can be told; `None`: the connection has no peer.
    #[must_use]
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        request.peer_addr().map(|peer| self.behind(peer.ip(), request.headers()))
    }

    /// The same as text, with its port where it is the peer itself.
    #[must_use]
    pub fn told(&self, request: &HttpRequest) -> String {
        match (request.peer_addr(), self.client(request)) {
            (Some(peer), Some(client)) if peer.ip().to_canonical() == client => peer.to_string(),
            (_, client) => client.map(|client| client.to_string()).unwrap_or_default(),
        }
    }

    fn behind(&self, peer: IpAddr, fields: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lists: Vec<&[u8]> = fields.get_all("x-forwarded-for").map(HeaderValue::as_bytes).collect();
        for entry in lists.iter().rev().flat_map(|list| list.rsplit(|byte| *byte == b',')) {
            if !self.trust(client) {
                break;
            }
            // What can't be read is nobody's address: the last who is known stands for whoever it was.
            let Some(address) = std::str::from_utf8(entry).ok().and_then(address) else { break };
            client = address;
        }
        client
    }

    /// Whether this is an address of one.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An entry: an address, perhaps with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let address = entry
        .parse::<IpAddr>()
        .or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()))
        .or_else(|_| entry.trim_start_matches('[').trim_end_matches(']').parse())
        .ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lists: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let mut fields = HeaderMap::new();
        for list in lists {
            fields.append(
                actix_web::http::header::HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_str(list).unwrap(),
            );
        }
        TrustedProxies(trusted).behind(peer.parse().unwrap(), &fields).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_are_trusted() {
        for (peer, lists, expected) in [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.5, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.5, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.5", "198.51.100.1,10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1:8080"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, "], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense, 10.3.3.3"], "10.3.3.3"),
        ] {
            assert_eq!(client(peer, lists), expected, "{peer} {lists:?}");
        }
    }

    #[test]
    fn without_trust_nothing_is_believed() {
        let mut fields = HeaderMap::new();
        let name = actix_web::http::header::HeaderName::from_static("x-forwarded-for");
        fields.append(name, HeaderValue::from_static("198.51.100.1"));
        assert_eq!(TrustedProxies::default().behind([10, 0, 0, 1].into(), &fields).to_string(), "10.0.0.1");
    }
}
