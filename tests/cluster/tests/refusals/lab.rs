//! One control plane for all tests of this suite. Each has a namespace, and an operator of its own that looks after it through
//! an API server with faults.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use events_gateway_cluster::faulty_api::Asked;
use events_gateway_cluster::gateways::{VERSION, gateway};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{Api, ControlPlane, FaultyApi, Namespace, Operator, condition, definitions};
use events_gateway_harness::wait;
use serde_json::Value;
use tokio::sync::OnceCell;

/// How long anything may take: waits after failures grow, and the machine may be busy.
pub(crate) const BOUND: Duration = Duration::from_secs(90);

static LAB: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();

/// The control plane, or why there is none: it isn't tried again for every test.
pub(crate) async fn lab() -> Result<&'static ControlPlane> {
    let lab = LAB.get_or_init(|| async { start().await.map_err(|error| format!("{error:#}")) }).await;
    lab.as_ref().map_err(|error| anyhow!("{error}"))
}

async fn start() -> Result<ControlPlane> {
    let control_plane = ControlPlane::with_controllers().await?;
    definitions::install_ours(&control_plane.api()?).await?;
    Ok(control_plane)
}

/// A test's own place in the lab.
pub(crate) struct Place {
    pub(crate) api: Api,
    pub(crate) namespace: Namespace,
    pub(crate) faulty: FaultyApi,
    operator: Option<Operator>,
}

/// A place without an operator: faults may be there before it is.
pub(crate) async fn empty(purpose: &str) -> Result<Place> {
    let control_plane = lab().await?;
    let api = control_plane.api()?;
    let namespace = Namespace::create(&api, purpose).await?;
    let faulty = FaultyApi::start(&control_plane.kubeconfig()).await?;
    Ok(Place { api, namespace, faulty, operator: None })
}

pub(crate) async fn place(purpose: &str) -> Result<Place> {
    let mut place = empty(purpose).await?;
    place.start().await?;
    Ok(place)
}

impl Place {
    /// Starts the operator.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let settings = Settings { namespaces: vec![self.namespace.name().to_owned()], ..Settings::default() };
        self.operator = Some(Operator::start(self.faulty.kubeconfig(), &settings).await?);
        Ok(())
    }

    pub(crate) fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("the test has started it")
    }

    pub(crate) fn path(&self, kind: &str, name: &str) -> String {
        let (group, plural) = kind.rsplit_once('/').unwrap_or(("v1", kind));
        format!("{}/{name}", self.namespace.path(group, plural))
    }

    pub(crate) fn gateway(&self, name: &str) -> String {
        self.path(&format!("{VERSION}/eventsgateways"), name)
    }

    /// Creates a gateway with these sections.
    pub(crate) async fn create(&self, name: &str, sections: Value) -> Result<Value> {
        let collection = self.namespace.path(VERSION, "eventsgateways");
        Ok(self.api.create(&collection, &gateway(name, &sections)).await?.success()?.body)
    }

    pub(crate) async fn merge(&self, name: &str, patch: Value) -> Result<Value> {
        Ok(self.api.merge(&self.gateway(name), &patch).await?.success()?.body)
    }

    /// Waits until the object at a path is as it should be.
    pub(crate) async fn until(&self, path: &str, what: &str, held: impl Fn(&Value) -> bool) -> Result<Value> {
        match self.api.until(path, what, BOUND, held).await {
            Ok(object) => Ok(object),
            Err(error) => Err(error.context(self.operator().log())),
        }
    }

    /// Waits for a condition of a gateway; its words.
    pub(crate) async fn until_condition(&self, name: &str, kind: &str, reason: &str) -> Result<String> {
        let held = |gateway: &Value| condition::of(gateway, kind)["reason"] == reason;
        let gateway = self.until(&self.gateway(name), &format!("{kind} {reason}"), held).await?;
        Ok(condition::of(&gateway, kind)["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a gateway is as well as one can be whose pods don't run.
    pub(crate) async fn until_well(&self, name: &str) -> Result<Value> {
        self.until(&self.gateway(name), "nothing failing", |gateway| {
            condition::of(gateway, "Ready")["reason"] == "NoReadyReplicas"
                && condition::of(gateway, "Degraded")["reason"] != "ReconcileFailed"
        })
        .await
    }

    /// How many failures of a category were counted.
    pub(crate) async fn errors(&self, category: &str) -> Result<f64> {
        let label = format!("category=\"{category}\"");
        self.operator().metric("events_gateway_operator_errors_total", &[&label]).await
    }

    /// Waits until so many were: a pass counts its failure after it has told it.
    pub(crate) async fn until_errors(&self, category: &str, least: f64) -> Result<()> {
        wait::until(&format!("{least} failures of {category}"), BOUND, || async {
            Ok((self.errors(category).await? >= least).then_some(()))
        })
        .await
    }

    /// What the operator has asked to write since, notices apart.
    pub(crate) fn written(&self, since: Instant) -> Vec<Asked> {
        let all = self.faulty.asked("create update patch delete", "*");
        all.into_iter().filter(|one| one.at >= since && !one.path.contains("/events.k8s.io/")).collect()
    }

    /// Waits until nothing has been written for a while.
    pub(crate) async fn at_rest(&self) -> Result<()> {
        let deadline = Instant::now() + BOUND;
        let while_ = Duration::from_secs(3);
        loop {
            let last = self.faulty.asked("create update patch delete", "*").last().map(|one| one.at);
            if last.is_some_and(|last| last.elapsed() > while_) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "no rest: {}", self.operator().log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// How long after each other requests came.
pub(crate) fn waits(asked: &[Asked]) -> Vec<Duration> {
    asked.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}
