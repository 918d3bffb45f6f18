//! What may fail in a pass.

use std::time::Duration;

use crate::words::words;

/// However long the API server wants to be left in peace, it is asked again after this.
const MOST: Duration = Duration::from_secs(300);

/// What failed in a pass. The pass is made again, later and later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Not everything that is watched was seen yet: to judge by half of it could scale a gateway down at once.
    #[error("failed to learn what there is within {} s: {what} can't be listed yet", .within.as_secs())]
    Unseen {
        /// What is missing.
        what: &'static str,
        /// How long it was waited for.
        within: Duration,
    },
    /// An object couldn't be read.
    #[error("failed to read {what}: {}", words(.source))]
    Read {
        /// Which.
        what: String,
        /// Why.
        source: kube::Error,
    },
    /// An object couldn't be written.
    #[error("failed to apply {kind} {name}: {}", words(.source))]
    Apply {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: kube::Error,
    },
    /// An object that is no longer wanted couldn't be deleted.
    #[error("failed to delete {kind} {name}: {}", words(.source))]
    Prune {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: kube::Error,
    },
    /// An object of that name is there and isn't ours.
    #[error("failed to apply {kind} {name}: there is one already that this gateway didn't make; delete or rename it")]
    Foreign {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A pod couldn't be marked.
    #[error("failed to mark pod {pod}: {}", words(.source))]
    Mark {
        /// The pod.
        pod: String,
        /// Why.
        source: kube::Error,
    },
    /// The number of replicas couldn't be written.
    #[error("failed to set the number of replicas: {}", words(.0))]
    Scale(kube::Error),
    /// The status couldn't be written.
    #[error("failed to write the status: {}", words(.0))]
    Status(kube::Error),
}

impl Failure {
    /// What the API server was asked in vain.
    fn source(&self) -> Option<&kube::Error> {
        match self {
            Self::Foreign { .. } | Self::Unseen { .. } => None,
            Self::Read { source, .. }
            | Self::Apply { source, .. }
            | Self::Prune { source, .. }
            | Self::Mark { source, .. }
            | Self::Scale(source)
            | Self::Status(source) => Some(source),
        }
    }

    /// Whether the next request would fare no better: the API server is away, has trouble, or wants to be left in peace.
    pub(crate) fn is_of_server(&self) -> bool {
        self.source().is_some_and(|source| match source {
            kube::Error::Api(status) => status.code == 429 || status.code >= 500,
            _ => true,
        })
    }

    /// How long the API server wants to be left in peace.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let Some(kube::Error::Api(status)) = self.source() else { return None };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()).min(MOST))
    }

    /// A stable word for metrics.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => return "foreign",
            Self::Unseen { .. } => return "unseen",
            _ => {}
        }
        match self.source() {
            Some(kube::Error::Api(status)) => match status.code {
                403 => "forbidden",
                404 => "not-found",
                409 => "conflict",
                422 => "invalid",
                429 => "throttled",
                500.. => "api-server",
                _ => "api",
            },
            _ => "unreachable",
        }
    }
}
