//! A pod with the replica in it.

use std::time::Duration;

use events_gateway_operator_core::scaling::{Life, Pod, Replica, Stage};
use k8s_openapi::jiff::Timestamp;

/// A replica's drain: its time-out, and how long it settles first.
pub(crate) const TIMEOUT: i64 = 30;
const SETTLE: i64 = 2;
/// However busy a kubelet is, it has probed after so long.
const PROBES: i64 = 15;
/// Streams that a draining replica closes in a second.
const RATE: u64 = 10;
/// A pod's grace period.
pub(crate) const GRACE: i64 = TIMEOUT + 30;

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) pod: Pod,
    pub(crate) connections: u64,
    pub(crate) draining: Option<i64>,
    pub(crate) drained: bool,
    /// It doesn't answer the operator until then.
    pub(crate) silent_until: i64,
    /// It fails its readiness until then, streams and all.
    pub(crate) cut_off_until: i64,
    /// It never gets ready: there is no such image.
    pub(crate) is_broken: bool,
}

impl Running {
    pub(crate) fn new(number: usize, template: u32, now: i64, is_broken: bool) -> Self {
        let pod = Pod {
            name: format!("pod-{number:03}"),
            uid: format!("uid-{number}"),
            template: template.to_string(),
            life: Life::Live,
            stage: Stage::Unassigned,
            runs: false,
            created: time(now),
            node: Some(format!("node-{}", number % 5)),
            zone: Some(format!("zone-{}", number % 3)),
            cost: 0,
            since: None,
            replica: None,
        };
        Self { pod, connections: 0, draining: None, drained: false, silent_until: 0, cut_off_until: 0, is_broken }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.pod.life == Life::Live
    }

    pub(crate) fn answers(&self, now: i64) -> bool {
        self.pod.runs && now >= self.silent_until
    }

    pub(crate) fn said(&self, now: i64) -> Option<Replica> {
        self.answers(now).then(|| Replica {
            connections: self.connections,
            draining: self.draining.map(|since| Duration::from_secs(u64::try_from(now - since).unwrap())),
            drained: self.drained,
        })
    }

    /// The process ends; the kubelet starts it again.
    pub(crate) fn crash(&mut self) {
        self.pod.runs = false;
        self.pod.stage = self.pod.stage.min(Stage::NotReady);
        (self.connections, self.draining, self.drained) = (0, None, false);
    }

    /// One look of the kubelet and the scheduler.
    pub(crate) fn progress(&mut self, now: i64) {
        if self.pod.life == Life::Over {
            return;
        }
        if matches!(self.pod.life, Life::Ending(_)) && self.pod.runs && self.draining.is_none() {
            self.draining = Some(now);
        }
        let is_well = self.pod.runs && self.draining.is_none() && now >= self.cut_off_until;
        self.pod.stage = match self.pod.stage {
            Stage::Unassigned => Stage::Pending,
            Stage::Pending if self.is_broken => Stage::Pending,
            Stage::Pending => {
                self.pod.runs = true;
                Stage::NotReady
            }
            Stage::NotReady if !self.pod.runs => {
                self.pod.runs = true;
                Stage::NotReady
            }
            Stage::NotReady | Stage::Ready if is_well => Stage::Ready,
            Stage::NotReady | Stage::Ready => Stage::NotReady,
        };
    }

    /// What `seconds` before `now` did to the streams.
    pub(crate) fn pass(&mut self, seconds: i64, now: i64) {
        let Some(since) = self.draining else { return };
        let lasts = now - since;
        if lasts >= PROBES {
            self.pod.stage = self.pod.stage.min(Stage::NotReady);
        }
        if lasts >= TIMEOUT {
            self.connections = 0;
        } else if lasts > SETTLE {
            self.connections = self.connections.saturating_sub(RATE * u64::try_from(seconds).unwrap());
        }
        self.drained = self.drained || (self.connections == 0 && lasts >= SETTLE);
    }
}
