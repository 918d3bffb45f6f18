use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use events_gateway_identity::revocation::{Revocation, Target, Whom};
use parking_lot::Mutex;
use serde_json::json;

use super::super::tests::{answer, options, question, server};
use super::super::{Options, Session, Vouched};
use super::*;
use crate::replica::Connections;
use crate::revocation::{self, Revocations};

/// Sessions that an application knows, and what it answers about each: a status, and claims.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<BTreeMap<String, (&'static str, String)>>>);

impl Sessions {
    fn say(&self, session: &str, status: &'static str, claims: &serde_json::Value) {
        self.0.lock().insert(session.to_owned(), (status, claims.to_string()));
    }

    fn know(&self, session: &str) {
        self.say(session, "200 OK", &json!({ "sub": session }));
    }

    /// Says the same of all of them.
    fn say_of_all(&self, status: &'static str) {
        self.0.lock().values_mut().for_each(|(known, _)| *known = status);
    }
}

/// A replica that asks about them: its streams by name, and those that ended.
struct World {
    sessions: Sessions,
    asked: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    recheck: Recheck,
    open: Vec<Vouched>,
    ended: Arc<Mutex<BTreeMap<String, DisconnectReason>>>,
}

impl World {
    fn new() -> Self {
        Self::with(Identities::new(Vec::new()))
    }

    fn with(identities: Identities) -> Self {
        let sessions = Sessions::default();
        let (known, at_once, most_at_once) = (sessions.clone(), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let most = most_at_once.clone();
        let (url, asked) = server(Arc::new(move |head, socket| {
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            let lower = head.to_ascii_lowercase();
            let session = lower.lines().find_map(|line| line.strip_prefix("cookie: session=")).unwrap_or_default();
            let told = known.0.lock().get(session).cloned();
            let (status, claims) = told.unwrap_or(("401 Unauthorized", String::new()));
            at_once.fetch_sub(1, Ordering::SeqCst);
            answer(socket, status, claims.as_bytes());
        }));
        let service = ForwardAuth::new(Options { cache: Duration::ZERO, ..options(&url) });
        let recheck = Recheck { service, identities: Arc::new(identities), reconnect: Reconnect::default() };
        Self { sessions, asked, most_at_once, recheck, open: Vec::new(), ended: Arc::default() }
    }

    /// Opens a stream by the application's word, that goes on for as long as its holder's claims hold no `"barred": true`.
    async fn open(&mut self, session: &str, name: &str) {
        let service = &self.recheck.service;
        let Answer::Proven(who) = service.ask(question(session)).await else { panic!("{session} is known") };
        let (ended, id) = (self.ended.clone(), name.to_owned());
        let close = Arc::new(move |closing: events_gateway_core::disconnect::Closing| {
            ended.lock().insert(id.clone(), closing.reason);
        });
        let judge = Box::new(|who: &Arc<events_gateway_identity::Identity>| who.claims.get("barred").is_none());
        self.open.push(Session::new(service.clone(), question(session)).hold(&who, close, judge));
    }

    async fn opened(&mut self, session: &str) {
        self.sessions.know(session);
        self.open(session, session).await;
    }

    async fn round(&self) -> (usize, usize) {
        let Round { ended, unanswered, .. } = self.recheck.round().await;
        (ended, unanswered)
    }

    /// Which streams have ended, and why.
    fn ended(&self) -> Vec<(String, DisconnectReason)> {
        self.ended.lock().clone().into_iter().collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_whose_session_is_over_or_somebody_elses_or_grants_them_no_more_and_the_others_go_on() {
    let mut world = World::new();
    for session in ["ann", "bob", "carl", "dora", "eve", "fay"] {
        world.opened(session).await;
    }
    assert_eq!(world.round().await, (0, 0));
    world.sessions.say("ann", "401 Unauthorized", &json!({}));
    world.sessions.say("bob", "403 Forbidden", &json!({}));
    world.sessions.say("carl", "200 OK", &json!({ "sub": "somebody else" }));
    world.sessions.say("dora", "200 OK", &json!({ "sub": "dora", "role": "clerk", "exp": 9_000_000_000_u64 }));
    world.sessions.say("eve", "200 OK", &json!({ "sub": "eve", "barred": true }));
    world.sessions.say("fay", "200 OK", &json!({ "sub": "fay", "exp": 1_000_000_000 }));
    assert_eq!(world.round().await, (5, 0));
    let over = |name: &str| (name.to_owned(), DisconnectReason::NoLongerPermitted);
    assert_eq!(world.ended(), ["ann", "bob", "carl", "eve", "fay"].map(over));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_session_are_one_question_a_round_and_all_end_with_it() {
    let mut world = World::new();
    for session in ["ann", "bob"] {
        world.sessions.know(session);
        for number in 0..30 {
            world.open(session, &format!("{session} {number}")).await;
        }
    }
    let before = world.asked.load(Ordering::SeqCst);
    world.sessions.say("ann", "401 Unauthorized", &json!({}));
    assert_eq!(world.round().await, (30, 0));
    assert_eq!(world.asked.load(Ordering::SeqCst), before + 2);
    assert!(world.ended().len() == 30 && world.ended().iter().all(|(name, _)| name.starts_with("ann")));
    world.open.clear();
    assert_eq!(world.round().await, (0, 0));
    assert_eq!(world.asked.load(Ordering::SeqCst), before + 2, "nobody is asked about streams that are no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_are_asked_about_at_once_however_many_hold_streams() {
    let mut world = World::new();
    for number in 0..100 {
        world.opened(&number.to_string()).await;
    }
    let before = world.asked.load(Ordering::SeqCst);
    world.most_at_once.store(0, Ordering::SeqCst);
    assert_eq!(world.round().await, (0, 0));
    assert_eq!(world.asked.load(Ordering::SeqCst), before + 100, "each once");
    let most = world.most_at_once.load(Ordering::SeqCst);
    assert!(most <= AT_ONCE, "{most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_gives_no_answer_ends_nobodys_stream_and_is_left_alone_until_the_next_round() {
    let mut world = World::new();
    for number in 0..100 {
        world.opened(&number.to_string()).await;
    }
    let before = world.asked.load(Ordering::SeqCst);
    world.sessions.say_of_all("500 Oops");
    let (ended, unanswered) = world.round().await;
    // Those that were asked about at once with the last one are counted too.
    assert!(ended == 0 && (MOST_UNANSWERED..MOST_UNANSWERED + AT_ONCE).contains(&unanswered), "{unanswered}");
    assert_eq!(world.asked.load(Ordering::SeqCst) - before, unanswered);
    world.sessions.say_of_all("401 Unauthorized");
    assert_eq!(world.round().await, (100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_which_the_service_last_said_that_it_ends_sooner_ends_without_another_word() {
    let mut world = World::new();
    for session in ["ann", "bob"] {
        world.opened(session).await;
    }
    let soon = (now().0 + 400) as f64 / 1_000.0;
    world.sessions.say("ann", "200 OK", &json!({ "sub": "ann", "exp": soon }));
    assert_eq!(world.round().await, (0, 0));
    world.sessions.say_of_all("503 Later");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.round().await, (1, 1));
    assert_eq!(world.ended(), [("ann".to_owned(), DisconnectReason::TokenExpired)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_new_id_was_revoked_is_revoked() {
    let options = revocation::Options {
        retention: Duration::from_secs(3_600),
        cut_off_after: Duration::from_secs(30),
        disconnects: false,
        most: 100,
        reconnect: Reconnect::default(),
    };
    let revocations = Revocations::new(options, &Connections::new(10));
    let target = Target { issuer: "session".into(), whom: Whom::Token("stolen".into()) };
    let (time, key) = (now().0, target.key());
    let revocation = Revocation { target, issued_before: 0, revoked: time };
    revocations.apply(Some(key.as_bytes()), Some(revocation.value().as_bytes()), time).unwrap();
    let mut world = World::with(Identities::new(Vec::new()).with_revocations(Some(revocations.clone())));
    for session in ["ann", "bob"] {
        world.opened(session).await;
    }
    world.sessions.say("ann", "200 OK", &json!({ "sub": "ann", "jti": "stolen" }));
    assert_eq!(world.round().await, (1, 0), "which others are revoked isn't known yet: that ends nobody's stream");
    assert_eq!(world.ended(), [("ann".to_owned(), DisconnectReason::Revoked)]);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_every_so_often_for_ever() {
    let mut world = World::new();
    for session in ["ann", "bob"] {
        world.opened(session).await;
    }
    let Recheck { service, identities, reconnect } = world.recheck;
    tokio::spawn(recheck(service, identities, Duration::from_secs(300), reconnect));
    world.sessions.say("ann", "401 Unauthorized", &json!({}));
    sleep(Duration::from_secs(260)).await;
    assert!(world.ended.lock().is_empty(), "not yet");
    sleep(Duration::from_secs(80)).await;
    assert_eq!(world.ended.lock().keys().collect::<Vec<_>>(), ["ann"]);
    world.sessions.say("bob", "403 Forbidden", &json!({}));
    sleep(Duration::from_secs(340)).await;
    assert_eq!(world.ended.lock().keys().collect::<Vec<_>>(), ["ann", "bob"]);
}
