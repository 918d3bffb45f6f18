//! Gateways on simulated nodes, and an operator that looks after them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use events_gateway_cluster::gateways::{self, VERSION};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{Api, ControlPlane, Namespace, Operator, SimulatedNodes, definitions};
use events_gateway_harness::process::Usage;
use events_gateway_harness::{port, wait};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::replicas;

const BOUND: Duration = Duration::from_secs(600);
/// Pods of each gateway.
const REPLICAS: usize = 10;
/// Pods that a node has room for.
const ROOM: usize = 110;

/// One crowd at a time: what is measured is the whole machine's.
static TURN: Mutex<()> = Mutex::const_new(());

/// Gateways, all ready. Fields are dropped in this order.
pub(crate) struct Crowd {
    pub(crate) operator: Operator,
    pub(crate) namespace: Namespace,
    pub(crate) api: Api,
    _nodes: SimulatedNodes,
    _control_plane: ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

/// What an operator used while nothing happened.
pub(crate) struct Idle {
    /// The part of a core.
    pub(crate) share: f64,
    /// Resident memory, in MiB.
    pub(crate) memory: f64,
    /// What it wrote, without its Lease and without notices.
    pub(crate) writes: f64,
}

impl Crowd {
    /// Makes `count` gateways, with this in their spec, and waits until all are ready.
    /// `kafka`: whether the operator talks to brokers.
    pub(crate) async fn gather(count: usize, kafka: bool, sections: &Value) -> Result<Self> {
        let turn = TURN.lock().await;
        let control_plane = ControlPlane::with_controllers().await?;
        let api = control_plane.api()?;
        definitions::install_ours(&api).await?;
        let nodes = (count * REPLICAS).div_ceil(100) + 1;
        let nodes = SimulatedNodes::start(&control_plane, nodes, ROOM).await?;
        let admin = port::free();
        replicas::answer(admin).await?;
        let namespace = Namespace::create(&api, "crowd").await?;
        let settings = Settings { leader_election: true, kafka, ..Settings::default() };
        let operator = Operator::start(&control_plane.kubeconfig(), &settings).await?;
        let crowd = Self { operator, namespace, api, _nodes: nodes, _control_plane: control_plane, _turn: turn };
        let began = Instant::now();
        let mut spec = json!({
            "replicas": REPLICAS,
            "admin": { "port": admin },
            "rollout": { "minReadySeconds": 0 },
        });
        for (key, value) in sections.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        for number in 0..count {
            let gateway = gateways::gateway(&format!("gateway-{number}"), &spec);
            crowd.api.create(&crowd.collection(), &gateway).await?.success()?;
        }
        let ready = || async {
            let ready = crowd.operator.metric("events_gateway_operator_resources", &["true"]).await?;
            Ok((ready as usize >= count).then_some(()))
        };
        wait::until("all being ready", BOUND, ready).await.with_context(|| crowd.operator.log())?;
        let took = began.elapsed().as_secs_f64();
        println!("{count} gateways with {} pods ready after {took:.1} s", count * REPLICAS);
        // First answers, first looks, first numbers.
        tokio::time::sleep(Duration::from_secs(75)).await;
        Ok(crowd)
    }

    /// The path of all gateways.
    pub(crate) fn collection(&self) -> String {
        self.namespace.path(VERSION, "eventsgateways")
    }

    /// Watches the operator for so long, while nothing happens.
    pub(crate) async fn idle(&self, lasting: Duration) -> Result<Idle> {
        let writes = || async { self.operator.metric("events_gateway_operator_writes_total", &[]).await };
        let usage = || Usage::of(self.operator.id()).context("no usage");
        let (before, began) = (writes().await?, usage()?);
        tokio::time::sleep(lasting).await;
        let (after, now) = (writes().await?, usage()?);
        Ok(Idle {
            share: (now.cpu - began.cpu).as_secs_f64() / lasting.as_secs_f64(),
            memory: now.resident as f64 / f64::from(1 << 20),
            writes: after - before,
        })
    }
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { share, memory, writes } = self;
        write!(f, "{:.2} % of a core, {memory:.0} MiB, {writes} writes", share * 100.0)
    }
}
