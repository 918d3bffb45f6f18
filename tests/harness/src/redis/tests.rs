//! The servers do what the suites need of them.

use super::*;

async fn set(server: &Server, key: &str) {
    let () = server.command(&["SET", key, "value"]).await.expect("can be set");
}

async fn has(server: &Server, key: &str) -> bool {
    server.command::<u64>(&["EXISTS", key]).await.expect("answers") == 1
}

#[tokio::test]
async fn a_killed_server_keeps_its_data_unless_told_otherwise() {
    let mut server = Server::start().await.expect("a server");
    set(&server, "early").await;
    let snapshot = server.snapshot().expect("a snapshot");
    set(&server, "late").await;
    server.kill();
    server.resume().await.expect("comes back");
    assert!(has(&server, "early").await && has(&server, "late").await);
    server.restart_from(&snapshot).await.expect("comes back");
    assert!(has(&server, "early").await && !has(&server, "late").await);
    server.restart_empty().await.expect("comes back");
    assert!(!has(&server, "early").await);
}

#[tokio::test]
async fn a_server_with_tls_and_users_refuses_strangers() {
    let settings =
        Settings { tls: true, users: vec!["alice on >secret ~egw:* +@all".to_owned()], ..Settings::default() };
    let server = Server::with(&settings).await.expect("a server");
    let certificates = server.certificates().expect("certificates");
    let read = |path: std::path::PathBuf| std::fs::read(path).expect("a readable file");
    let tls = |with_client: bool| redis::TlsCertificates {
        client_tls: with_client.then(|| redis::ClientTlsConfig {
            client_cert: read(certificates.client()),
            client_key: read(certificates.client_key()),
        }),
        root_cert: Some(read(certificates.authority())),
    };
    let url = server.tls_url().expect("a TLS port").replace("rediss://", "rediss://alice:secret@");
    let client = redis::Client::build_with_tls(url.as_str(), tls(true)).expect("a client");
    let mut connection =
        client.get_multiplexed_async_connection().await.expect("a certificate of the authority is taken");
    let () = server::run(&mut connection, &["SET", "egw:a", "1"]).await.expect("allowed");
    assert!(server::run::<()>(&mut connection, &["SET", "other", "1"]).await.is_err(), "not allowed");
    let stranger = redis::Client::build_with_tls(url.as_str(), tls(false)).expect("a client");
    assert!(stranger.get_multiplexed_async_connection().await.is_err(), "no certificate");
}

#[tokio::test]
async fn a_failover_promotes_the_replica_and_loses_what_it_lacked() {
    let mut sentinel = Sentinel::start().await.expect("servers and Sentinels");
    let old = sentinel.primary_port().await.expect("a primary");
    set(sentinel.primary().await.expect("a primary"), "kept").await;
    let replica = sentinel.replica().await.expect("a replica");
    crate::wait::until("replication", std::time::Duration::from_secs(10), || async {
        Ok(has(replica, "kept").await.then_some(()))
    })
    .await
    .expect("replicates");
    let url = format!("redis://127.0.0.1:{old}");
    let write = async move {
        let client = redis::Client::open(url).expect("a client");
        let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
        let () = server::run(&mut connection, &["SET", "lost", "1"]).await.expect("the primary still takes it");
    };
    sentinel.fail_over_losing(write).await.expect("fails over");
    let primary = sentinel.primary().await.expect("a primary");
    assert_ne!(primary.port(), old);
    assert!(has(primary, "kept").await && !has(primary, "lost").await);
    sentinel.revive().await.expect("the old one follows");
}

#[tokio::test]
async fn a_slot_moves_with_its_keys() {
    let cluster = Cluster::start().await.expect("a Cluster");
    let slot = cluster.slot("{a}1").await.expect("a slot");
    let source = cluster.holder(slot).await.expect("a holder");
    let target = (source + 1) % 3;
    set(&cluster.servers()[source], "{a}1").await;
    cluster.move_slot(slot, target, async {}).await.expect("moves");
    assert!(has(&cluster.servers()[target], "{a}1").await);
    cluster.wait_for_agreement().await.expect("agrees");
}
