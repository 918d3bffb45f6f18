//! Proven forms of short texts and numbers.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;

use super::problem::{Place, Problems};

/// A host and a port. Displayed as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

/// Why a text is no host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a host and a port from 1 to 65535, such as redis:6379")]
pub struct HostPortError;

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let (host, port) = text.rsplit_once(':').ok_or(HostPortError)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(HostPortError)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or(HostPortError)?;
                inner.parse::<std::net::Ipv6Addr>().map_err(|_| HostPortError)?;
                inner
            }
            None if host.is_empty() || host.contains(':') => return Err(HostPortError),
            None => host,
        };
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Every address of a list; the wrong ones are noted.
pub(super) fn hosts<T: std::ops::Deref<Target = str>>(
    texts: &[T],
    place: &Place,
    problems: &mut Problems,
) -> Option<Vec<HostPort>> {
    let proven: Vec<Option<HostPort>> =
        texts.iter().enumerate().map(|(index, text)| problems.take(place.index(index), text.parse())).collect();
    proven.into_iter().collect()
}

/// A number that the schema bounds to at least 1.
pub(super) fn count(number: impl Into<i64>, place: Place, problems: &mut Problems) -> Option<NonZeroUsize> {
    let number = usize::try_from(number.into()).ok().and_then(NonZeroUsize::new);
    problems.take(place, number.ok_or("must be at least 1"))
}

/// As [`count`], for rates.
pub(super) fn rate(number: i32, place: Place, problems: &mut Problems) -> Option<NonZeroU32> {
    let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
    problems.take(place, number.ok_or("must be at least 1"))
}

/// A port; 0 stands for any free one.
pub(super) fn port(number: i32, place: Place, problems: &mut Problems) -> Option<u16> {
    problems.take(place, u16::try_from(number).map_err(|_| "must be 0 to 65535"))
}

/// Notes every item that stands in the list already.
pub(super) fn distinct<'a>(items: impl Iterator<Item = (Place, &'a str)>, what: &str, problems: &mut Problems) {
    let mut seen = std::collections::BTreeMap::new();
    for (place, item) in items {
        if let Some(first) = seen.get(item) {
            problems.add(place, format!("{what} stands at {first} already"));
        } else {
            seen.insert(item, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_ports_read_back_as_written() {
        for text in ["redis:6379", "127.0.0.1:1", "[::1]:65535"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for text in ["redis", "redis:0", "redis:65536", ":1", "::1:5", "[::1]", "[x]:1", "[::1:5"] {
            assert_eq!(text.parse::<HostPort>(), Err(HostPortError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_host_and_port_or_refused(text in any::<String>()) {
            if let Ok(address) = text.parse::<HostPort>() {
                prop_assert_eq!(address.to_string().parse::<HostPort>(), Ok(address));
            }
        }
    }
}
