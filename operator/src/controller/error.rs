//! What may fail in a pass.

use std::time::Duration;

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
    #[error("failed to read {what}: {source}")]
    Read {
        /// Which.
        what: String,
        /// Why.
        source: kube::Error,
    },
    /// An object couldn't be written.
    #[error("failed to apply {kind} {name}: {source}")]
    Apply {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: kube::Error,
    },
    /// An object that is no longer wanted couldn't be deleted.
    #[error("failed to delete {kind} {name}: {source}")]
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
    #[error("failed to mark pod {pod}: {source}")]
    Mark {
        /// The pod.
        pod: String,
        /// Why.
        source: kube::Error,
    },
    /// The number of replicas couldn't be written.
    #[error("failed to set the number of replicas: {0}")]
    Scale(kube::Error),
    /// The status couldn't be written.
    #[error("failed to write the status: {0}")]
    Status(kube::Error),
}

impl Failure {
    /// A stable word for metrics.
    pub(crate) fn category(&self) -> &'static str {
        let source = match self {
            Self::Foreign { .. } => return "foreign",
            Self::Unseen { .. } => return "unseen",
            Self::Read { source, .. }
            | Self::Apply { source, .. }
            | Self::Prune { source, .. }
            | Self::Mark { source, .. }
            | Self::Scale(source)
            | Self::Status(source) => source,
        };
        match source {
            kube::Error::Api(status) => match status.code {
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
