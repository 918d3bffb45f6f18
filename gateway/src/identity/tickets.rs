//! Tickets: for clients that can neither send a field nor have a cookie, and fetch a new one for each connection. Each opens one
//! stream, soon, with the channels that it was made for; it may stand in a query because it is worth nothing afterwards.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_gateway_core::Channel;
use events_gateway_identity::Identity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backlog::{BacklogError, Taken, Tickets as Store};
use crate::clock::now;
use crate::rate::{Rate, Rates};

/// Bytes of a ticket: nobody guesses one.
const BYTES: usize = 32;
/// How fast a subject may get tickets, from each replica by itself.
const RATE: Rate =
    Rate { per_second: std::num::NonZeroU32::new(10).unwrap(), burst: std::num::NonZeroU32::new(60).unwrap() };

/// Makes and takes tickets.
pub struct Tickets {
    store: Arc<dyn Store>,
    lifetime: Duration,
    rates: Rates<String>,
}

/// What a ticket stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Whose it is.
    pub identity: Identity,
    /// The channels that it opens, all of them.
    pub channels: Vec<Channel>,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Ticket")]
pub struct Issued {
    /// Its text: 43 of `A-Z a-z 0-9 _ -`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{43}$"))]
    pub ticket: String,
    /// How long it is good, in milliseconds.
    pub expires_in_ms: u64,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Not now; in so many seconds.
    #[error("too many tickets")]
    TooFast(u64),
    /// They can't be kept now.
    #[error(transparent)]
    Unavailable(#[from] BacklogError),
}

/// Why a ticket opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is none, or not any more.
    #[error("the ticket is unknown or has expired: get another")]
    Unknown,
    /// It has opened a stream already.
    #[error("the ticket is spent: get another for each connection")]
    Spent,
    /// That can't be found out now.
    #[error(transparent)]
    Unavailable(#[from] BacklogError),
}

impl Tickets {
    /// Tickets that are good for so long.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, lifetime: Duration) -> Self {
        Self { store, lifetime, rates: Rates::new(RATE) }
    }

    /// Makes a ticket; not good for longer than what proved who it is for.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn issue(&self, identity: &Identity, channels: &[Channel]) -> Result<Issued, IssueError> {
        self.rates.admit(&identity.scope(), 1).map_err(IssueError::TooFast)?;
        let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>());
        let left = Duration::from_millis(identity.expires.saturating_sub(now().0));
        let lifetime = self.lifetime.min(left);
        let bound = Bound { identity: identity.clone(), channels: channels.to_vec() };
        let content = serde_json::to_string(&bound).map_err(|error| BacklogError::Refused(error.to_string()))?;
        self.store.keep_ticket(&name(&ticket), &content, lifetime).await?;
        Ok(Issued { ticket, expires_in_ms: lifetime.as_millis() as u64 })
    }

    /// Takes a ticket: nobody else will have it.
    ///
    /// # Errors
    /// See [`RedeemError`].
    pub async fn redeem(&self, ticket: &str) -> Result<Bound, RedeemError> {
        let is_one = URL_SAFE_NO_PAD.decode(ticket).is_ok_and(|bytes| bytes.len() == BYTES);
        if !is_one {
            return Err(RedeemError::Unknown);
        }
        match self.store.take_ticket(&name(ticket)).await? {
            Taken::Now(content) => {
                let bound: Bound = serde_json::from_str(&content).map_err(|_| RedeemError::Unknown)?;
                if bound.identity.expires > now().0 { Ok(bound) } else { Err(RedeemError::Unknown) }
            }
            Taken::Before => Err(RedeemError::Spent),
            Taken::Never => Err(RedeemError::Unknown),
        }
    }
}

/// What a ticket is kept under: whoever reads the store can't redeem what is in it.
fn name(ticket: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, ticket.as_bytes()))
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::memory::{self, Store as Memory};
    use crate::hub::HubListener;
    use serde_json::Map;

    fn tickets(lifetime: Duration) -> Tickets {
        let store = Memory::default().connect(memory::Options::default(), Arc::new(HubListener::default()));
        Tickets::new(Arc::new(store), lifetime)
    }

    fn somebody(lasts: Duration) -> Identity {
        Identity {
            issuer: "https://id".into(),
            subject: "ann".into(),
            id: None,
            expires: now().0 + lasts.as_millis() as u64,
            issued: None,
            key: None,
            claims: Map::new(),
        }
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_ticket_is_good_once_for_what_it_was_made_for() {
        let (tickets, ann) = (tickets(Duration::from_secs(30)), somebody(HOUR));
        let channels = [Channel::parse("user:ann").unwrap()];
        let one = tickets.issue(&ann, &channels).await.unwrap();
        let other = tickets.issue(&ann, &channels).await.unwrap();
        assert_eq!((one.ticket.len(), one.expires_in_ms), (43, 30_000));
        assert_ne!(one.ticket, other.ticket);
        let bound = tickets.redeem(&one.ticket).await.unwrap();
        assert_eq!(bound, Bound { identity: ann, channels: channels.to_vec() });
        assert!(matches!(tickets.redeem(&one.ticket).await, Err(RedeemError::Spent)));
        assert!(tickets.redeem(&other.ticket).await.is_ok());
        for none in ["", "x", &"A".repeat(43), &format!("{}=", one.ticket), &name(&other.ticket)] {
            assert!(matches!(tickets.redeem(none).await, Err(RedeemError::Unknown)), "{none}");
        }
    }

    #[tokio::test]
    async fn a_ticket_is_not_good_for_long_and_no_longer_than_its_token() {
        let brief = tickets(Duration::from_millis(50));
        let issued = brief.issue(&somebody(HOUR), &[]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(matches!(brief.redeem(&issued.ticket).await, Err(RedeemError::Unknown)));
        let long = tickets(Duration::from_secs(30));
        let issued = long.issue(&somebody(Duration::from_millis(500)), &[]).await.unwrap();
        assert!(issued.expires_in_ms <= 500, "{}", issued.expires_in_ms);
    }

    #[tokio::test]
    async fn a_subject_gets_so_many_and_no_more() {
        let tickets = tickets(Duration::from_secs(30));
        let ann = somebody(HOUR);
        for _ in 0..60 {
            tickets.issue(&ann, &[]).await.unwrap();
        }
        let mut refused = 0;
        for _ in 0..20 {
            refused += usize::from(matches!(tickets.issue(&ann, &[]).await, Err(IssueError::TooFast(1))));
        }
        assert!(refused >= 15, "{refused}");
    }
}
