//! A gateway under load, whose steps are judged one by one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use events_gateway_cluster::{MetricsApi, condition};
use events_gateway_harness::http::{self, Request};
use events_gateway_harness::wait;
use events_gateway_suites::Traffic;
use events_gateway_suites::traffic::{Produced, numbered};
use serde_json::Value;

use super::lab::{BOUND, Lab, address, name};
use super::manifest::{self, NAME, TOPIC};
use super::readers::{Readers, Seen, Way};

/// How much flows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// Records a second, over all channels.
    pub(crate) rate: u32,
    /// Of all draining replicas together.
    pub(crate) closes_per_second: usize,
}

/// What a replica says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) is_ready: bool,
    pub(crate) connections: u64,
}

pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) load: Load,
    /// The token of the admin listeners.
    pub(crate) token: String,
    channels: Vec<String>,
    readers: Option<Readers>,
    traffic: Option<Traffic>,
    pub(crate) produced: Produced,
    /// The metrics of an autoscaler.
    pub(crate) metrics: Option<MetricsApi>,
    began: Instant,
    /// How long records flowed since the last step had been judged.
    flowed: Duration,
    /// How long after the last record every client had it.
    pub(crate) lag: Duration,
    /// How many records had been produced when the last step had been judged.
    judged: u64,
    /// What was seen when the last step had been judged.
    pub(crate) seen: Seen,
}

impl Scene {
    pub(crate) fn new(lab: Lab, load: Load) -> Self {
        Self {
            lab,
            load,
            token: "a token of the suite".into(),
            channels: (0..load.clients).map(|index| format!("channel:{index}")).collect(),
            readers: None,
            traffic: None,
            produced: Produced::default(),
            metrics: None,
            began: Instant::now(),
            flowed: Duration::ZERO,
            lag: Duration::ZERO,
            judged: 0,
            seen: Seen::default(),
        }
    }

    /// The path of the gateway.
    pub(crate) fn path(&self) -> String {
        format!("{}/{NAME}", self.lab.home.path("eventsgateway.dev/v1alpha1", "eventsgateways"))
    }

    pub(crate) async fn gateway(&self) -> Result<Value> {
        Ok(self.lab.api.get(&self.path()).await?.success()?.body)
    }

    pub(crate) async fn change(&self, patch: &Value) -> Result<()> {
        self.lab.api.merge(&self.path(), patch).await?.success().map(drop)
    }

    pub(crate) async fn scale(&self, replicas: u32) -> Result<()> {
        self.show("scale", &format!("scale egw/{NAME} --replicas={replicas}")).await.map(drop)
    }

    /// Asks as a person would, and prints it for docs/operator.
    pub(crate) async fn show(&self, output: &str, words: &str) -> Result<String> {
        let said = self.lab.kubectl.say(&format!("-n {} {words}", self.lab.home.name())).await?;
        println!("--- output: {output}\n$ kubectl {words}\n{said}\n---");
        Ok(said)
    }

    pub(crate) async fn deployment(&self) -> Result<Value> {
        let path = format!("{}/{NAME}", self.lab.home.path("apps/v1", "deployments"));
        Ok(self.lab.api.get(&path).await?.success()?.body)
    }

    /// The gateway's pods, those that end too.
    pub(crate) async fn pods(&self) -> Result<Vec<Value>> {
        self.lab.list(&self.lab.home, "v1", "pods").await
    }

    /// All replicas that live, by the number of their streams.
    pub(crate) async fn replicas(&self) -> Result<Vec<Replica>> {
        let mut replicas = Vec::new();
        for pod in self.pods().await? {
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                continue;
            }
            let request = Request::get("/status").header("Authorization", &format!("Bearer {}", self.token));
            let answer = http::send(address(&pod, 9090).context("no address")?, &request).await?;
            ensure!(answer.status() == 200, "{}: {}", answer.status(), answer.text());
            let connections = answer.json()?["connections"].as_u64().context("no connections")?;
            let uid = pod["metadata"]["uid"].as_str().context("no uid")?.to_owned();
            let is_ready = condition::is_true(&pod, "Ready");
            replicas.push(Replica { pod: name(&pod)?, uid, is_ready, connections });
        }
        replicas.sort_by_key(|replica| replica.connections);
        Ok(replicas)
    }

    /// The connections of all replicas, as one text.
    pub(crate) async fn spread(&self) -> Result<String> {
        let counts: Vec<String> = self.replicas().await?.iter().map(|one| one.connections.to_string()).collect();
        Ok(counts.join("+"))
    }

    /// Opens the clients, half through the Service, the others through the Ingress and the route, and lets records flow.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        let ways = self.ways().await?;
        self.readers = Some(Readers::open(&self.channels, &ways).await?);
        self.flow()
    }

    /// The ways that clients take.
    pub(crate) async fn ways(&self) -> Result<[Way; 4]> {
        let path = format!("{}/{NAME}", self.lab.home.path("v1", "services"));
        let service = self.lab.api.get(&path).await?.success()?.body;
        let ip: std::net::IpAddr = service["spec"]["clusterIP"].as_str().context("no clusterIP")?.parse()?;
        let port = service["spec"]["ports"][0]["port"].as_u64().context("no port")?;
        let service = Way { address: (ip, u16::try_from(port)?).into(), host: None };
        let edge = |host| Way { address: self.lab.traefik.address(), host: Some(host) };
        Ok([service.clone(), edge(manifest::INGRESS), service, edge(manifest::ROUTE)])
    }

    /// Lets records flow.
    pub(crate) fn flow(&mut self) -> Result<()> {
        let producer = self.lab.servers.kafka.producer()?;
        let earlier = std::mem::take(&mut self.produced);
        let channels = self.channels.clone();
        self.traffic = Some(Traffic::go_on(producer, TOPIC, channels, self.load.rate, numbered, earlier));
        self.began = Instant::now();
        Ok(())
    }

    /// Stops the records, and waits until the clients have them.
    pub(crate) async fn rest(&mut self, bound: Duration) -> Result<()> {
        if let Some(traffic) = self.traffic.take() {
            self.flowed += self.began.elapsed();
            self.produced = traffic.stop().await?;
        }
        let stopped = Instant::now();
        let readers = self.readers.as_mut().context("nobody reads")?;
        readers.settle(&self.produced.ledger, bound).await;
        self.lag = stopped.elapsed();
        Ok(())
    }

    /// The clients.
    pub(crate) fn readers(&mut self) -> Result<&mut Readers> {
        self.readers.as_mut().context("nobody reads")
    }

    /// Stops the records, waits until the clients have them, judges all that was ever seen, and lets records flow again.
    pub(crate) async fn judge(&mut self) -> Result<Judged> {
        self.rest(Duration::from_secs(30)).await?;
        let (flowed, before) = (std::mem::take(&mut self.flowed), self.judged);
        let readers = self.readers.as_mut().context("nobody reads")?;
        let ledger = &self.produced.ledger;
        let seen = readers.judge(ledger)?;
        let (produced, clients) = (ledger.total(), readers.count());
        self.judged = produced;
        let earlier = std::mem::replace(&mut self.seen, seen);
        let lag = self.lag;
        self.flow()?;
        Ok(Judged { earlier, produced, flowed, lag, clients, before })
    }

    /// Waits until so many replicas serve, nothing is on its way, and no pod is marked.
    pub(crate) async fn settled(&self, wanted: usize) -> Result<()> {
        let last = std::sync::Mutex::new(String::new());
        let settled = wait::until(&format!("{wanted} settled replicas"), BOUND, || async {
            let (gateway, pods) = (self.gateway().await?, self.pods().await?);
            let why = unsettled(&gateway, &self.deployment().await?, &pods, wanted);
            if why.is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            *last.lock().expect("nobody panics with it") = why.clone().unwrap_or_default();
            Ok(why.is_none().then_some(()))
        })
        .await;
        settled.with_context(|| last.into_inner().unwrap_or_default())?;
        match &self.readers {
            Some(readers) => readers.connected().await,
            None => Ok(()),
        }
    }
}

/// What isn't as it should be in the end.
fn unsettled(gateway: &Value, deployment: &Value, pods: &[Value], wanted: usize) -> Option<String> {
    let status = &gateway["status"];
    if status["observedGeneration"] != gateway["metadata"]["generation"] {
        return Some("the spec wasn't looked at".into());
    }
    if !condition::is_true(gateway, "Ready") || condition::is_true(gateway, "Draining") {
        return Some(format!("{}", status["conditions"]));
    }
    let told = &deployment["status"];
    let observed = told["observedGeneration"] == deployment["metadata"]["generation"];
    let counts =
        [&deployment["spec"]["replicas"], &told["replicas"], &told["updatedReplicas"], &told["availableReplicas"]];
    if !observed || counts.iter().any(|&count| *count != wanted) || pods.len() != wanted {
        return Some(format!("{} pods, Deployment {}, {told}", pods.len(), deployment["spec"]["replicas"]));
    }
    let marked = pods.iter().find(|pod| is_marked(pod));
    marked.map(|pod| format!("marked: {}", pod["metadata"]["annotations"]))
}

/// Whether a pod bears a mark of a scale-down.
pub(crate) fn is_marked(pod: &Value) -> bool {
    let annotations = &pod["metadata"]["annotations"];
    let marks = ["eventsgateway.dev/drain-since", "controller.kubernetes.io/pod-deletion-cost"];
    marks.iter().any(|mark| !annotations[mark].is_null())
}

/// What a step is judged by; the rest is [`Scene::seen`].
pub(crate) struct Judged {
    /// What had been seen before the step.
    pub(crate) earlier: Seen,
    /// How many records had been produced before, and now.
    pub(crate) before: u64,
    pub(crate) produced: u64,
    /// How long records flowed.
    pub(crate) flowed: Duration,
    /// How long after the last record every client had it (half a second of that is waited in any case).
    pub(crate) lag: Duration,
    pub(crate) clients: usize,
}
