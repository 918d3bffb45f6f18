//! Whether one more stream is opened, by whom and where it is asked for. A refusal is for now: whoever comes back may find room.

use std::net::IpAddr;
use std::sync::Arc;

use events_gateway_core::disconnect::DisconnectReason;

use crate::rate::{Rates, network};
use crate::replica::subjects::{SubjectStream, Subjects};
use crate::replica::tally::{Held, Tally};

/// The bounds beside those of the replica as a whole. The default has none.
#[derive(Default)]
pub struct Admission {
    /// How fast streams are opened, in all.
    pub(crate) rate: Option<Rates<()>>,
    /// How fast from one address.
    pub(crate) address_rate: Option<Rates<IpAddr>>,
    /// How many from one address.
    pub(crate) addresses: Option<Arc<Tally<IpAddr>>>,
    /// How many of one subject, over all replicas.
    pub(crate) subjects: Option<Arc<Subjects>>,
}

/// Room for one stream, given back when it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _address: Option<Held<IpAddr>>,
    _subject: Option<SubjectStream>,
}

impl Admission {
    /// Takes room for a stream of an address (as far as it is known) and a subject (by its scope, if it is anybody). Waits for half a
    /// second at most.
    ///
    /// # Errors
    /// Why there is none now.
    pub async fn admit(&self, address: Option<IpAddr>, subject: Option<&str>) -> Result<Admitted, DisconnectReason> {
        let address = address.map(network);
        // The address's own bounds first: what one takes too fast isn't taken from all.
        if let (Some(rates), Some(address)) = (&self.address_rate, &address)
            && rates.admit(address, 1).is_err()
        {
            return Err(DisconnectReason::AddressRate);
        }
        let of_address = match (&self.addresses, address) {
            (Some(tally), Some(address)) => Some(tally.take(address).ok_or(DisconnectReason::AddressLimit)?),
            _ => None,
        };
        if self.rate.as_ref().is_some_and(|rates| rates.admit(&(), 1).is_err()) {
            return Err(DisconnectReason::AcceptRate);
        }
        let of_subject = match subject {
            Some(subject) => self.admit_subject(subject).await?,
            None => None,
        };
        Ok(Admitted { _address: of_address, _subject: of_subject })
    }

    /// Takes room for a stream of a subject alone, of which it wasn't known when it was admitted; none is taken where there is no
    /// bound.
    ///
    /// # Errors
    /// When it has as many as it may.
    pub async fn admit_subject(&self, subject: &str) -> Result<Option<SubjectStream>, DisconnectReason> {
        match &self.subjects {
            Some(subjects) => subjects.take(subject).await.map(Some).ok_or(DisconnectReason::SubjectLimit),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("subjects", &self.subjects).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;

    fn rates<K: std::hash::Hash + Eq + Clone>(per_second: u32, burst: u32) -> Option<Rates<K>> {
        Some(Rates::new(Rate { per_second: per_second.try_into().unwrap(), burst: burst.try_into().unwrap() }))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_so_many_streams_and_ipv6_counts_by_network() {
        let admission = Admission { addresses: Some(Tally::new(2)), ..Admission::default() };
        let reason = async |text: &str| admission.admit(address(text), None).await.err();
        let held =
            (admission.admit(address("192.0.2.1"), None).await, admission.admit(address("192.0.2.1"), None).await);
        assert!(held.0.is_ok() && held.1.is_ok());
        assert_eq!(reason("192.0.2.1").await, Some(DisconnectReason::AddressLimit));
        assert_eq!(reason("::ffff:192.0.2.1").await, Some(DisconnectReason::AddressLimit), "the same");
        assert_eq!(reason("192.0.2.2").await, None);
        let held6 =
            (admission.admit(address("2001:db8::1"), None).await, admission.admit(address("2001:db8::2"), None).await);
        assert!(held6.0.is_ok() && held6.1.is_ok());
        assert_eq!(reason("2001:db8::3:4").await, Some(DisconnectReason::AddressLimit));
        assert_eq!(reason("2001:db8:0:1::1").await, None);
        drop(held);
        assert_eq!(reason("192.0.2.1").await, None, "what is given back is there again");
        assert!(admission.admit(None, None).await.is_ok(), "a connection without a peer has no address");
    }

    #[tokio::test]
    async fn what_one_address_asks_for_too_fast_is_not_taken_from_all() {
        let admission = Admission { rate: rates(1, 4), address_rate: rates(1, 2), ..Admission::default() };
        let reason = async |text: &str| admission.admit(address(text), None).await.err();
        assert_eq!((reason("192.0.2.1").await, reason("192.0.2.1").await), (None, None));
        for _ in 0..100 {
            assert_eq!(reason("192.0.2.1").await, Some(DisconnectReason::AddressRate));
        }
        assert_eq!((reason("192.0.2.2").await, reason("192.0.2.3").await), (None, None), "others have their part");
        assert_eq!(reason("192.0.2.4").await, Some(DisconnectReason::AcceptRate));
    }
}
