//! What replicas say of themselves, asked seldom while nothing happens and often while some drain.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use events_gateway_operator_core::ReplicaPod;
use events_gateway_operator_core::status::{Answer, PodView};
use events_gateway_operator_replicas::{Client, Status};
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::context::Key;

/// How old an answer may be while nothing happens, as long as there aren't too many replicas.
pub(crate) const STEADY: Duration = Duration::from_secs(30);
/// How many replicas are asked in a second while nothing happens, in all: with more than 1,500 of them each is asked less often, so
/// that numbers that nobody waits for never cost more than a small part of a core.
const A_SECOND: u32 = 50;
/// How old an answer may be while a scale-down is under way.
pub(crate) const BUSY: Duration = Duration::from_millis(500);

/// How old an answer may be that doesn't tell what there is to tell in the long run: a replica that starts answers a moment
/// later, and finds Redis and the brokers.
const SOON: Duration = Duration::from_secs(5);

fn is_well(answer: &Answer) -> bool {
    answer.known().is_some_and(Status::is_well)
}

/// How old an answer may be while nothing happens, with so many replicas in all.
pub(crate) fn steady(replicas: usize) -> Duration {
    let turn = Duration::from_secs(1) / A_SECOND;
    STEADY.max(turn.saturating_mul(u32::try_from(replicas).unwrap_or(u32::MAX)))
}

/// When the replicas are to be asked again, where nothing happens.
pub(crate) fn again(pods: &[PodView], steady: Duration) -> Duration {
    let now = Timestamp::now();
    let comes_up = |pod: &PodView| pod.is_new(now) && pod.ready && !is_well(&pod.answer);
    if pods.iter().any(comes_up) { SOON } else { steady }
}

/// What is known of each gateway's replicas.
#[derive(Debug, Default)]
pub(crate) struct Surveys {
    /// The last answers, by the pods' identities.
    answers: Mutex<HashMap<Key, HashMap<String, (Answer, Instant)>>>,
    /// Clients, with the Secret, key and version that their token is from.
    clients: Mutex<HashMap<Key, (String, Client)>>,
}

impl Surveys {
    /// What each pod says, in the order of the pods; asked again where what is known is older than `age`.
    pub(crate) async fn ask(
        &self,
        key: &Key,
        client: Option<&Client>,
        pods: &[Arc<ReplicaPod>],
        age: Duration,
    ) -> Vec<Answer> {
        let known = self.answers.lock().remove(key).unwrap_or_default();
        let fresh = |pod: &ReplicaPod| {
            let (answer, at) = known.get(pod.metadata.uid.as_deref()?)?;
            let age = if is_well(answer) { age } else { age.min(SOON) };
            (at.elapsed() < age).then(|| (answer.clone(), *at))
        };
        let asked: Vec<(usize, SocketAddr)> = pods
            .iter()
            .enumerate()
            .filter(|(_, pod)| fresh(pod).is_none())
            .filter_map(|(index, pod)| Some((index, address(pod)?)))
            .collect();
        let addresses: Vec<SocketAddr> = asked.iter().map(|(_, address)| *address).collect();
        let answers = match client {
            Some(client) => client.survey(&addresses).await.into_iter().map(Some).collect(),
            None => addresses.iter().map(|_| None).collect::<Vec<_>>(),
        };
        let mut answered: HashMap<usize, Answer> = asked
            .iter()
            .zip(answers)
            .map(|((index, _), answer)| {
                let answer = match answer {
                    Some(Ok(status)) => Answer::Some(Box::new(status)),
                    Some(Err(error)) => Answer::None(error.to_string()),
                    None => Answer::None("the admin token isn't known".into()),
                };
                (*index, answer)
            })
            .collect();
        let mut kept = HashMap::new();
        let mut all = Vec::with_capacity(pods.len());
        for (index, pod) in pods.iter().enumerate() {
            let (answer, at) = match answered.remove(&index) {
                Some(answer) => (answer, Instant::now()),
                None => fresh(pod).unwrap_or((Answer::NotAsked, Instant::now())),
            };
            if answer != Answer::NotAsked {
                kept.insert(pod.metadata.uid.clone().unwrap_or_default(), (answer.clone(), at));
            }
            all.push(answer);
        }
        self.answers.lock().insert(key.clone(), kept);
        all
    }

    /// Forgets what a pod said: it was told something since.
    pub(crate) fn forget_pod(&self, key: &Key, uid: &str) {
        if let Some(answers) = self.answers.lock().get_mut(key) {
            answers.remove(uid);
        }
    }

    /// The client that has this very token.
    pub(crate) fn client(&self, key: &Key, secret: &str, data_key: &str, version: &str) -> Option<Client> {
        let clients = self.clients.lock();
        let (from, client) = clients.get(key)?;
        (*from == format!("{secret}/{data_key}@{version}")).then(|| client.clone())
    }

    /// Keeps the client for as long as its Secret is what it was.
    pub(crate) fn keep_client(&self, key: &Key, secret: &str, data_key: &str, version: &str, client: Client) {
        self.clients.lock().insert(key.clone(), (format!("{secret}/{data_key}@{version}"), client));
    }

    /// Forgets a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.answers.lock().remove(key);
        self.clients.lock().remove(key);
    }
}

/// Where a pod's admin listener is, once its process runs.
pub(crate) fn address(pod: &ReplicaPod) -> Option<SocketAddr> {
    let ip: IpAddr = pod.status.pod_ip.parse().ok()?;
    Some(SocketAddr::new(ip, pod.admin_port()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_replicas_there_are_the_less_often_each_is_asked() {
        for (replicas, seconds) in [(0, 30), (1_500, 30), (1_550, 31), (5_000, 100)] {
            assert_eq!(steady(replicas), Duration::from_secs(seconds), "{replicas}");
        }
    }
}
