//! Whether other replicas reach the backlog while this one doesn't: they are asked directly, since the directory that would
//! tell is what can't be reached.

use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Replica;
use super::lease::{Keeper, Reach};

/// How often others are asked while the backlog is away.
const EVERY: Duration = Duration::from_secs(2);
/// Longest wait for one of them.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many are asked at a time: enough not to meet only those that share this replica's fate.
const ASKED: usize = 3;
/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 4 << 10;

/// What `/live` of the admin listener says of the backlog.
#[must_use]
pub fn word(reach: Reach) -> &'static str {
    match reach {
        Reach::Never => "never",
        Reach::Reached => "reached",
        Reach::LostSince(_) => "lost",
    }
}

/// Keeps `others` up to date, for ever: whether any other replica reaches the backlog; `None` while this one does, and when
/// no other answers. The others are those of the last leases read; their admin listeners are at `admin_port`.
pub async fn watch(replica: Arc<Replica>, keeper: Arc<Keeper>, admin_port: u16, others: watch::Sender<Option<bool>>) {
    let (mut reach, leases) = (keeper.reach(), keeper.leases());
    loop {
        others.send_replace(None);
        // The sender lives in the keeper, which this task holds.
        let _ = reach.wait_for(|reach| matches!(reach, Reach::LostSince(_))).await;
        while matches!(*reach.borrow(), Reach::LostSince(_)) {
            let own = replica.id();
            let known: Vec<String> = leases
                .borrow()
                .iter()
                .filter(|lease| *lease.replica != *own)
                .filter_map(|lease| admin_address(&lease.address, admin_port))
                .collect();
            let chosen: Vec<_> = known.choose_multiple(&mut rand::rng(), ASKED).collect();
            let answers = futures_util::future::join_all(chosen.into_iter().map(|address| reaches(address))).await;
            others.send_replace(answers.into_iter().flatten().reduce(|one, two| one || two));
            sleep(EVERY).await;
        }
    }
}

/// The host of a public listener with the admin listener's port.
fn admin_address(public: &str, port: u16) -> Option<String> {
    let (host, _) = public.rsplit_once(':')?;
    (!host.is_empty()).then(|| format!("{host}:{port}"))
}

/// Whether the replica at this admin address reaches the backlog; `None` when it doesn't say.
async fn reaches(address: &str) -> Option<bool> {
    let ask = async {
        let mut socket = TcpStream::connect(address).await?;
        let request = format!("GET /live HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        socket.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, ask).await.ok()?.ok()?;
    let (_, body) = std::str::from_utf8(&answer).ok()?.split_once("\r\n\r\n")?;
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("backlog")?.as_str()? == word(Reach::Reached))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::{Lease, ReplicaState};
    use crate::replica::fake::FakeDirectory;
    use crate::replica::lease::Options;
    use tokio::net::TcpListener;

    /// Answers every request with this body; its port.
    async fn peer(body: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _ = socket.read(&mut [0; 1024]).await;
                let _ = socket.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn a_peer_says_whether_it_reaches_the_backlog() {
        for (body, expected) in [
            (r#"{"live":true,"backlog":"reached"}"#, Some(true)),
            (r#"{"live":true,"backlog":"lost"}"#, Some(false)),
            (r#"{"live":true}"#, None),
            ("garbage", None),
        ] {
            assert_eq!(reaches(&format!("127.0.0.1:{}", peer(body).await)).await, expected, "{body}");
        }
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        assert_eq!(reaches(&unused).await, None);
    }

    #[test]
    fn the_admin_listener_is_on_the_same_host() {
        assert_eq!(admin_address("10.0.0.7:8080", 9090).as_deref(), Some("10.0.0.7:9090"));
        assert_eq!(admin_address("[fd00::1]:8080", 9090).as_deref(), Some("[fd00::1]:9090"));
        assert_eq!(admin_address("", 9090), None);
    }

    #[tokio::test]
    async fn others_are_asked_only_while_the_backlog_is_away() {
        let directory = FakeDirectory::new();
        let replica = Replica::new(1);
        directory.insert(Lease {
            replica: "other".to_owned(),
            pod: String::new(),
            address: "127.0.0.1:1".to_owned(),
            started: events_gateway_core::Timestamp(0),
            version: String::new(),
            state: ReplicaState::Serving,
            connections: 0,
            rates: Default::default(),
        });
        let options = Options { ttl: Duration::from_millis(300), ..Options::default() };
        let keeper = Arc::new(Keeper::new(replica.clone(), directory.clone(), options));
        tokio::spawn(keeper.clone().run());
        keeper.leases().wait_for(|leases| leases.len() == 2).await.unwrap();
        let sender = watch::Sender::new(None);
        let mut others = sender.subscribe();
        let port = peer(r#"{"live":true,"backlog":"reached"}"#).await;
        tokio::spawn(watch(replica, keeper.clone(), port, sender));
        directory.away(true);
        let patience = Duration::from_secs(10);
        timeout(patience, others.wait_for(|others| *others == Some(true))).await.unwrap().unwrap();
        directory.away(false);
        timeout(patience, others.wait_for(Option::is_none)).await.unwrap().unwrap();
    }
}
