//! Whom the brokers don't know, and brokers that aren't there.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events_gateway_harness::kafka::settings::{Listener, USERS};
use events_gateway_harness::token_endpoint::{CLIENT_ID, CLIENT_SECRET};
use events_gateway_harness::{Kafka, TokenEndpoint, port};
use events_gateway_operator_kafka::oauth::OAuth;
use events_gateway_operator_kafka::options::{Login, Sasl, Tls};
use events_gateway_operator_kafka::reset::Target;
use events_gateway_operator_kafka::{Client, Cluster, Clusters, Limits};

use super::lab::{client, kafka, limits, name, readers, set};

fn login(password: &str) -> Login {
    Login { username: USERS[0].0.to_owned(), password: password.to_owned() }
}

fn over(kafka: &Kafka, listener: Listener, sasl: Option<Sasl>) -> Client {
    let authority = fs::read_to_string(kafka.certificates().expect("certificates").authority()).expect("PEM");
    let tls = (listener != Listener::Sasl).then_some(Tls { authorities: Some(authority), identity: None });
    Client { tls, sasl, ..client(kafka.secured(listener)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_encrypt_and_authenticate_works() {
    let kafka = kafka().await;
    let endpoint = TokenEndpoint::start(Duration::from_secs(60)).await.expect("an endpoint");
    let oauth = OAuth {
        endpoint: endpoint.url(),
        client_id: CLIENT_ID.into(),
        client_secret: CLIENT_SECRET.into(),
        scope: None,
        authorities: None,
    };
    let right = || login(USERS[0].1);
    let ways = [
        (Listener::Tls, None),
        (Listener::SaslTls, Some(Sasl::Plain(right()))),
        (Listener::Sasl, Some(Sasl::ScramSha256(right()))),
        (Listener::SaslTls, Some(Sasl::ScramSha512(right()))),
        (Listener::Sasl, Some(Sasl::OAuthBearer(oauth.clone()))),
    ];
    for (listener, sasl) in ways {
        let client = over(kafka, listener, sasl);
        let cluster = Cluster::new(&client, limits()).expect("a client");
        let answer = cluster.groups(set(&["nobody"])).await;
        assert!(answer.is_ok(), "{client:?}: {answer:?}");
    }
    let refused = Cluster::new(&over(kafka, Listener::Sasl, Some(Sasl::OAuthBearer(oauth))), Limits::default());
    assert_eq!(refused.expect_err("the operator's own machine").category(), "invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_soon_and_as_such() {
    let kafka = kafka().await;
    let endpoint = TokenEndpoint::start(Duration::from_secs(60)).await.expect("an endpoint");
    endpoint.refuse(true);
    let oauth = OAuth {
        endpoint: endpoint.url(),
        client_id: CLIENT_ID.into(),
        client_secret: "wrong".into(),
        scope: None,
        authorities: None,
    };
    for sasl in [Sasl::Plain(login("wrong")), Sasl::ScramSha512(login("wrong")), Sasl::OAuthBearer(oauth)] {
        let client = over(kafka, Listener::Sasl, Some(sasl));
        let cluster = Cluster::new(&client, limits()).expect("a client");
        for _ in 0..2 {
            let began = Instant::now();
            let refused = cluster.groups(set(&["orders"])).await.expect_err("it isn't known");
            println!("{:?}: {refused}", began.elapsed());
            assert_eq!(refused.category(), "unauthorised", "{refused}");
            assert!(refused.to_string().contains("the groups orders at localhost:"), "{refused}");
            assert!(!refused.to_string().contains("wrong"), "{refused}");
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_not_there_are_told_in_bounded_time_and_come_back() {
    let mut kafka = Kafka::start().await.expect("a broker");
    let limits = Limits { call: Duration::from_secs(3), ..Limits::default() };
    let away = Cluster::new(&client(format!("127.0.0.1:{}", port::free())), limits).expect("a client");
    let began = Instant::now();
    let refused = away.lag(readers("g", &["orders"])).await.expect_err("nobody is there");
    assert_eq!(refused.category(), "unreachable", "{refused}");
    println!("{refused}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());

    let cluster = Cluster::new(&client(kafka.bootstrap()), limits).expect("a client");
    assert!(cluster.groups(set(&["orders"])).await.is_ok());
    kafka.freeze();
    let began = Instant::now();
    let late = cluster.plan_reset(readers("g", &["orders"]), Target::Earliest).await.expect_err("it is frozen");
    println!("{late}");
    assert_eq!(late.category(), "timeout", "{late}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    kafka.thaw();
    events_gateway_harness::wait::until("an answer", super::lab::BOUND, || async {
        Ok(cluster.groups(set(&["orders"])).await.ok())
    })
    .await
    .expect("it is there again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_gives_its_turn_back() {
    let limits = Limits { call: Duration::from_secs(60), calls: 1, ..Limits::default() };
    let mut kafka = Kafka::start().await.expect("a broker");
    let cluster = Cluster::new(&client(kafka.bootstrap()), limits).expect("a client");
    kafka.freeze();
    let dropped = tokio::time::timeout(Duration::from_millis(300), cluster.groups(set(&["orders"]))).await;
    assert!(dropped.is_err(), "nobody answers");
    kafka.thaw();
    let began = Instant::now();
    cluster.groups(set(&["orders"])).await.expect("an answer");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// Connections of this machine to a port of its own, from the table that the kernel shows.
fn connections(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").expect("a table");
    let remote = format!("0100007F:{port:04X}");
    let is_open = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        words.next() == Some(&remote) && words.next() == Some("01")
    };
    table.lines().filter(is_open).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_resources_of_one_cluster_share_its_connections() {
    let kafka = Kafka::start().await.expect("a broker");
    let topic = name("shared");
    kafka.create_topic(&topic, 3).await.expect("a topic");
    let port = kafka.bootstrap().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let before = connections(port);
    let clusters = Arc::new(Clusters::new(limits()));
    let (kafka, topic) = (&kafka, &topic);
    let each = (0..20).map(|number| {
        let clusters = clusters.clone();
        async move {
            let group = format!("shared-{number}");
            let cluster = clusters.get(&client(kafka.bootstrap())).expect("a client");
            cluster.groups(set(&[&group])).await.expect("an answer");
            cluster.topics(set(&[topic])).await.expect("an answer");
            let plan = cluster.plan_reset(readers(&group, &[topic]), Target::Earliest).await.expect("a plan");
            cluster.apply_reset(plan).await.expect("it is set");
            cluster.lag(readers(&group, &[topic])).await.expect("an answer")
        }
    });
    let all = join_all(each).await;
    assert_eq!(all.len(), 20);
    assert_eq!(clusters.open(), 1);
    let made = connections(port).saturating_sub(before);
    println!("20 resources of one cluster: {made} connections ({before} before)");
    // One, or two where the address to begin with is another than the one that the broker tells.
    assert!((1..=2).contains(&made), "{made}");
}

/// All at once.
async fn join_all<T: Send + 'static>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
