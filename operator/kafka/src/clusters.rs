//! One client for each cluster and user, however many resources there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::client::essence;
use crate::cluster::Cluster;
use crate::error::KafkaError;
use crate::options::Client;

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many clusters may be open. When another is asked for, the one that was idle longest is closed.
    pub clusters: usize,
    /// One that nobody asked for this long is closed when the next is asked for: so do credentials that were replaced end.
    pub idle: Duration,
    /// How long a call may take, waiting for its turn included.
    pub call: Duration,
    /// How many calls of a cluster run at a time, each on a thread for blocking calls; others wait.
    pub calls: usize,
    /// Whether tokens may be asked for from endpoints of this machine. Whoever writes a resource chooses that URL, and would
    /// otherwise make the operator post to its own ports.
    pub tokens_from_this_machine: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clusters: 64,
            idle: Duration::from_secs(600),
            call: Duration::from_secs(10),
            calls: 4,
            tokens_from_this_machine: false,
        }
    }
}

/// The clusters that are open.
///
/// What they are told apart by is all that makes a connection, secrets included, compared in full: no two can be taken for
/// each other, and nothing of it is ever shown. Settings that concern consumers only, and the client's name, don't count.
#[derive(Debug)]
pub struct Clusters {
    limits: Limits,
    open: Mutex<Open>,
}

/// By what makes a connection.
type Open = HashMap<Secret, Entry>;

#[derive(PartialEq, Eq, Hash)]
struct Secret(Client);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.bootstrap)
    }
}

#[derive(Debug)]
struct Entry {
    cluster: Arc<Cluster>,
    used: Instant,
}

impl Entry {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.cluster) == 1
    }
}

impl Clusters {
    /// None is open yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: Mutex::default() }
    }

    /// The cluster that this client reaches, opened if it isn't. Doesn't connect, nor wait.
    ///
    /// Keep it for as long as it is used and not longer: while somebody has it, it can't be closed in favour of another.
    ///
    /// # Errors
    /// [`KafkaError::Invalid`] when its settings aren't allowed or the client library refuses them, [`KafkaError::Busy`] when
    /// as many as may be are open and all are in use.
    pub fn get(&self, client: &Client) -> Result<Arc<Cluster>, KafkaError> {
        let key = Secret(essence(client));
        let now = Instant::now();
        let open = &mut *self.open.lock();
        if let Some(entry) = open.get_mut(&key) {
            // Names of settings that aren't allowed are no part of the key.
            Cluster::check(client, &self.limits)?;
            entry.used = now;
            return Ok(entry.cluster.clone());
        }
        open.retain(|_, entry| !entry.is_idle() || now.duration_since(entry.used) < self.limits.idle);
        if open.len() >= self.limits.clusters {
            let idle = open.iter().filter(|(_, entry)| entry.is_idle()).min_by_key(|(_, entry)| entry.used);
            let Some(used) = idle.map(|(_, entry)| entry.used) else {
                let act = format!("open a client for {}", client.bootstrap);
                return Err(KafkaError::Busy { act, most: self.limits.clusters });
            };
            open.retain(|_, entry| !entry.is_idle() || entry.used != used);
        }
        let cluster = Arc::new(Cluster::new(client, self.limits)?);
        open.insert(key, Entry { cluster: cluster.clone(), used: now });
        Ok(cluster)
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Login, Sasl};

    fn client(bootstrap: &str, password: &str) -> Client {
        let login = Login { username: "operator".into(), password: password.into() };
        Client { bootstrap: bootstrap.into(), sasl: Some(Sasl::ScramSha512(login)), ..Client::default() }
    }

    fn clusters(most: usize) -> Clusters {
        Clusters::new(Limits { clusters: most, ..Limits::default() })
    }

    #[test]
    fn twenty_resources_of_one_cluster_and_user_share_a_client() {
        let clusters = clusters(2);
        let first = clusters.get(&client("127.0.0.1:1", "a")).unwrap();
        for _ in 0..20 {
            assert!(Arc::ptr_eq(&clusters.get(&client("127.0.0.1:1", "a")).unwrap(), &first));
        }
        let other = clusters.get(&client("127.0.0.1:1", "b")).unwrap();
        assert!(!Arc::ptr_eq(&other, &first), "another password is another client");
        assert_eq!(clusters.open(), 2);
        assert!(!format!("{clusters:?}").contains("password"));
    }

    #[test]
    fn the_one_that_was_idle_longest_makes_room_and_one_in_use_never() {
        let clusters = clusters(2);
        let first = clusters.get(&client("127.0.0.1:1", "a")).unwrap();
        drop(clusters.get(&client("127.0.0.1:2", "a")).unwrap());
        let third = clusters.get(&client("127.0.0.1:3", "a")).unwrap();
        assert_eq!(clusters.open(), 2);
        let busy = clusters.get(&client("127.0.0.1:4", "a")).unwrap_err();
        assert_eq!(busy.category(), "busy");
        assert!(Arc::ptr_eq(&clusters.get(&client("127.0.0.1:1", "a")).unwrap(), &first));
        drop((first, third));
        clusters.get(&client("127.0.0.1:4", "a")).unwrap();
    }

    #[test]
    fn one_that_nobody_asked_for_is_closed() {
        let clusters = Clusters::new(Limits { idle: Duration::ZERO, ..Limits::default() });
        drop(clusters.get(&client("127.0.0.1:1", "old")).unwrap());
        drop(clusters.get(&client("127.0.0.1:1", "new")).unwrap());
        assert_eq!(clusters.open(), 1);
    }

    #[test]
    fn a_setting_that_is_not_allowed_is_refused_also_when_the_cluster_is_open() {
        let clusters = clusters(2);
        let allowed = client("127.0.0.1:1", "a");
        let _open = clusters.get(&allowed).unwrap();
        let further = [("plugin.library.paths".to_owned(), "/tmp/x.so".to_owned())].into();
        let refused = clusters.get(&Client { further, ..allowed }).unwrap_err();
        assert_eq!(refused.category(), "invalid");
        assert!(refused.to_string().contains("plugin.library.paths"), "{refused}");
    }
}
