//! Why a replica wasn't asked or told.

use std::io;

/// Why a call failed. None of them shows the token.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The token has characters that no header may have.
    #[error("failed to use the admin token: it has characters that a header can't carry")]
    Token,
    /// Nobody listens there, or the network doesn't lead there.
    #[error("failed to connect to the replica")]
    Connect(#[source] io::Error),
    /// It took too long.
    #[error("failed to get an answer of the replica in time")]
    TimedOut,
    /// The connection broke, or what came wasn't HTTP.
    #[error("failed to talk to the replica")]
    Exchange(#[source] hyper::Error),
    /// It has another token.
    #[error("failed to be let in by the replica: it has another admin token")]
    Unauthorized,
    /// It answered that it won't.
    #[error("failed to have the replica do it: status {status}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, at most 200 characters.
        detail: String,
    },
    /// The answer is longer than 1 MiB.
    #[error("failed to read the replica's answer: it is longer than 1 MiB")]
    TooLarge,
    /// The answer isn't what was asked for.
    #[error("failed to understand the replica's answer")]
    Malformed(#[source] serde_json::Error),
}

impl ReplicaError {
    /// A stable word for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Connect(_) => "connect",
            Self::TimedOut => "timeout",
            Self::Exchange(_) => "exchange",
            Self::Unauthorized => "unauthorized",
            Self::Refused { .. } => "refused",
            Self::TooLarge => "too-large",
            Self::Malformed(_) => "malformed",
        }
    }
}
