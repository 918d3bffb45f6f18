//! Who is connected, and tokens that are being proven meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::web;
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_identity::Identity;

use crate::http::credentials::{Known, Unproven};
use crate::http::events::Edge;
use crate::http::problem::Kind;
use crate::replica::subjects::SubjectStream;

/// Who is connected.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// Its first message may say.
    Awaited,
    /// Nobody in particular.
    Nobody,
    Known(Identity),
}

impl Who {
    pub(super) fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Known(identity) => Some(identity),
            Self::Awaited | Self::Nobody => None,
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited)
    }
}

/// Whose a token is, and room for one more of their streams, where that is new.
pub(super) type Proven = (Known, Option<SubjectStream>);

/// Why it isn't known, or of no use.
pub(super) enum NotProven {
    Unproven(Unproven),
    /// Not now, but perhaps later.
    Later(DisconnectReason),
}

/// A token that is being proven.
pub(super) struct Proof {
    /// Whether somebody is known already.
    pub(super) renews: bool,
    proof: Pin<Box<dyn Future<Output = Result<Proven, NotProven>>>>,
}

impl Proof {
    pub(super) fn of(edge: web::Data<Edge>, token: String, renews: bool) -> Self {
        let proof = Box::pin(async move {
            let Some(credentials) = &edge.credentials else {
                let problem = Kind::BadRequest.because("nobody is asked who they are here");
                return Err(NotProven::Unproven(Unproven::Refused(problem)));
            };
            let known = credentials.prove(&token).await.map_err(NotProven::Unproven)?;
            let room = match renews {
                true => None,
                false => edge.admission.admit_subject(&known.identity.scope()).await.map_err(NotProven::Later)?,
            };
            Ok((known, room))
        });
        Self { renews, proof }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Proven, NotProven>> {
        self.proof.as_mut().poll(cx)
    }
}
