//! Why a stream was ended or refused: the whole catalogue, and what the client is to make of it.

use serde::Serialize;

/// A reason for `gateway.closing`, and a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisconnectReason {
    /// The replica hands its streams over before it ends.
    Drain,
    /// The stream reached its greatest age.
    MaxAge,
    /// The client read too slowly and its channel's overflow policy is `disconnect`; it resumes where it was.
    Overflow,
    /// A `disconnect` command, or an operator, ended it.
    Disconnected,
    /// The token that it was opened with has expired.
    TokenExpired,
    /// The token that it was opened with, or all that its subject had then, was revoked.
    Revoked,
    /// What proved the token that it was opened with does so no longer, since the issuer has withdrawn its key; or what it
    /// subscribed to isn't granted any more.
    NoLongerPermitted,
    /// A WebSocket without a subscription.
    Idle,
    /// Refused, or ended: the keys that prove tokens, or which tokens are revoked, aren't known now.
    IdentityUnavailable,
    /// Refused: this replica holds as many connections as it may.
    ConnectionLimit,
    /// Refused: the subject holds as many connections as it may.
    SubjectLimit,
    /// Refused: the address holds as many connections as it may.
    AddressLimit,
    /// Refused: the address opens streams too fast.
    AddressRate,
    /// Refused: streams are opened too fast.
    AcceptRate,
    /// Refused: another replica has fewer connections than this one, which has reached its soft limit.
    Crowded,
    /// Refused: this replica holds as many channels as it may.
    ChannelLimit,
    /// Refused: this replica's subscribers have as many distinct filters as they may.
    FilterLimit,
    /// The replica had to give up at once.
    Abort,
}

impl DisconnectReason {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Drain,
        Self::MaxAge,
        Self::Overflow,
        Self::Disconnected,
        Self::TokenExpired,
        Self::Revoked,
        Self::NoLongerPermitted,
        Self::Idle,
        Self::IdentityUnavailable,
        Self::ConnectionLimit,
        Self::SubjectLimit,
        Self::AddressLimit,
        Self::AddressRate,
        Self::AcceptRate,
        Self::Crowded,
        Self::ChannelLimit,
        Self::FilterLimit,
        Self::Abort,
    ];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::MaxAge => "max-age",
            Self::Overflow => "overflow",
            Self::Disconnected => "disconnected",
            Self::TokenExpired => "token-expired",
            Self::Revoked => "revoked",
            Self::NoLongerPermitted => "no-longer-permitted",
            Self::Idle => "idle",
            Self::IdentityUnavailable => "identity-unavailable",
            Self::ConnectionLimit => "connection-limit",
            Self::SubjectLimit => "subject-limit",
            Self::AddressLimit => "address-limit",
            Self::AddressRate => "address-rate",
            Self::AcceptRate => "accept-rate",
            Self::Crowded => "crowded",
            Self::ChannelLimit => "channel-limit",
            Self::FilterLimit => "filter-limit",
            Self::Abort => "abort",
        }
    }

    /// Whether the client is to come back. A browser comes back by itself in either case.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        !matches!(self, Self::Disconnected | Self::Revoked | Self::NoLongerPermitted)
    }
}

/// The data of `gateway.closing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Closing {
    /// Why.
    #[serde(serialize_with = "as_str")]
    pub reason: DisconnectReason,
    /// Whether the client is to come back.
    pub retryable: bool,
    /// How long it is to wait, in ms; `retry:` says the same.
    pub reconnect_after_ms: u64,
}

impl Closing {
    /// A closing that asks the client back after `reconnect_after_ms`.
    #[must_use]
    pub fn new(reason: DisconnectReason, reconnect_after_ms: u64) -> Self {
        Self { reason, retryable: reason.is_retryable(), reconnect_after_ms }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn as_str<S: serde::Serializer>(reason: &DisconnectReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}
