//! What is to be done next.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::deployment::Removal;
use super::mark::Mark;

/// One thing to do. In the order given; who can't write to the API server stops there, and decides again later. A replica
/// that can't be reached stops nothing: it is told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write both annotations onto the pod, in one call that fails when `uid` is another's.
    Mark {
        /// The pod.
        pod: String,
        /// Its identity.
        uid: String,
        /// What to write.
        mark: Mark,
    },
    /// Tell the replica to drain. It may have been told before.
    Drain {
        /// The pod.
        pod: String,
    },
    /// Tell the replica to serve again.
    Undrain {
        /// The pod.
        pod: String,
    },
    /// Remove both annotations from the pod, in one call that fails when `uid` is another's.
    Unmark {
        /// The pod.
        pod: String,
        /// Its identity.
        uid: String,
    },
    /// Set the Deployment's replicas and its [`super::REMOVING`], in one call.
    SetReplicas {
        /// How many.
        replicas: u32,
        /// Whom it is lowered for; `None` upwards: the annotation goes.
        removal: Option<Removal>,
    },
}

/// What is going on, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activity {
    /// As many as wanted are asked for, and nobody is marked.
    #[default]
    Settled,
    /// More are asked for.
    ScalingUp,
    /// Victims drain or are being removed.
    ScalingDown,
    /// More were chosen to go than have to; they serve again.
    TakingBack,
    /// Fewer are wanted, after the rollout.
    AwaitingRollout,
    /// Fewer are wanted, once the changed pod template is written and rolled out.
    AwaitingTemplate,
    /// Fewer are wanted, once the Deployment's controller has caught up.
    AwaitingController,
}

impl Activity {
    /// A stable word for conditions and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "Settled",
            Self::ScalingUp => "ScalingUp",
            Self::ScalingDown => "ScalingDown",
            Self::TakingBack => "TakingBack",
            Self::AwaitingRollout => "AwaitingRollout",
            Self::AwaitingTemplate => "AwaitingTemplate",
            Self::AwaitingController => "AwaitingController",
        }
    }
}

/// Something that people should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The Deployment was lowered for this pod, and Kubernetes took another.
    PassedOver {
        /// The pod that serves again.
        pod: String,
    },
    /// The pod goes though its drain didn't end in time.
    TimedOut {
        /// The pod.
        pod: String,
        /// The streams that it holds; `None` when it didn't answer.
        connections: Option<u64>,
    },
}

/// A replica that drains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draining {
    /// Its pod.
    pub pod: String,
    /// Its open streams; `None` when it didn't answer.
    pub connections: Option<u64>,
    /// When it began.
    pub since: Timestamp,
}

/// What is to be done next, and told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub steps: Vec<Step>,
    /// When to decide again at the latest; `None`: when something changes.
    pub again: Option<Duration>,
    /// What is going on.
    pub activity: Activity,
    /// Who drains, for whatever reason, by name.
    pub draining: Vec<Draining>,
    /// What people should hear of once the steps are done.
    pub notices: Vec<Notice>,
    pub(super) holds_template: bool,
}

impl Decision {
    /// Whether the Deployment's pod template has to stay as it is until this scale-down is done: two reasons to take pods
    /// away at once would take the wrong ones.
    #[must_use]
    pub fn holds_template(&self) -> bool {
        self.holds_template
    }
}
