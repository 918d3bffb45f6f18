//! What happens, and what must not.

use events_gateway_operator_core::scaling::{Activity, Life, Pod, Stage, Step};
use k8s_openapi::jiff::Timestamp;

use super::cluster::{Cluster, Taken};
use super::operator::{self, Ask};
use super::pod::{Running, TIMEOUT, time};

#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// The operator looks, and crashes after that many steps. `late`: it sees the pods as they were at its look before.
    Operate {
        steps: usize,
        late: bool,
    },
    Deployments,
    ReplicaSets,
    Kubelets,
    Pass(i64),
    Want(u32),
    Connect {
        pod: usize,
        clients: u64,
    },
    Delete(usize),
    Evict(usize),
    Crash(usize),
    CutOff(usize),
    Silence(usize),
    /// What the operator builds has another pod template from now on.
    ChangeTemplate,
    /// Somebody else restarts the Deployment.
    RestartRollout,
    /// The pod template becomes one whose pods never get ready.
    Break,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    None,
    LowerBeforeDrained,
    MarkForgotten,
    DrainForgotten,
    OrderIgnored,
    RolloutIgnored,
    TemplateNotHeld,
    LostCounted,
    MarkedAgain,
    AtOnceIgnored,
}

/// How often everybody looks before all is at rest: each of seven pods may take its grace period to go.
const ROUNDS: usize = 400;
/// A pod that should have gone so long ago is on a node that nobody hears of, in seconds.
const LOST: i64 = 60;
/// How late a watch may be, in seconds.
const LATEST: i64 = 10;
/// When a victim that doesn't answer counts as done.
const PATIENCE: i64 = TIMEOUT + 5;

pub(crate) struct World {
    cluster: Cluster,
    ask: Ask,
    seen: Vec<Pod>,
    seen_at: i64,
    victims: Vec<u64>,
    /// The oldest mark of the scale-down that was lowered for.
    oldest: i64,
    /// Had no process, or didn't answer, when the Deployment was lowered for them: nobody can know better by now.
    idle: Vec<String>,
    /// Somebody crashed, was cut off or went between a lowering and the removal: Kubernetes takes others now.
    is_upset: bool,
    plant: Plant,
}

impl World {
    /// `at_once`: how many may drain at once.
    pub(crate) fn new(replicas: u32, at_once: Option<u32>, plant: Plant) -> Self {
        let mut cluster = Cluster { now: 1_000, ..Cluster::default() };
        cluster.deployment.replicas = replicas;
        cluster.deployment.generation = 1;
        cluster.deployments();
        cluster.replica_sets();
        for _ in 0..3 {
            cluster.kubelets();
        }
        cluster.deployments();
        let (victims, seen) = (Vec::new(), Vec::new());
        Self {
            cluster,
            ask: Ask { wanted: replicas, at_once, template_waits: false },
            seen,
            seen_at: 0,
            victims,
            oldest: i64::MAX,
            idle: Vec::new(),
            is_upset: false,
            plant,
        }
    }

    /// How many clients each pod had when it was marked.
    pub(crate) fn victims(&self) -> &[u64] {
        &self.victims
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), String> {
        let now = self.cluster.now;
        match op {
            Op::Operate { steps, late } => return self.operate(*steps, *late),
            Op::Deployments => self.cluster.deployments(),
            Op::ReplicaSets => {
                for taken in self.cluster.replica_sets() {
                    self.judge(&taken)?;
                }
                if !self.is_removing() {
                    self.is_upset = false;
                    self.idle.clear();
                }
            }
            Op::Kubelets => {
                self.is_upset |= self.is_removing() && self.cluster.pods.iter().any(|pod| pod.cut_off_until > now);
                self.cluster.kubelets();
            }
            Op::Pass(seconds) => self.cluster.pass(*seconds),
            Op::Want(wanted) => self.ask.wanted = *wanted,
            Op::Delete(at) => {
                self.is_upset |= self.is_removing();
                self.cluster.delete(*at);
            }
            Op::ChangeTemplate => self.ask.template_waits = true,
            Op::RestartRollout => self.cluster.write_template(self.cluster.is_broken),
            Op::Break => self.cluster.write_template(true),
            Op::Connect { pod, .. } | Op::Evict(pod) | Op::Crash(pod) | Op::CutOff(pod) | Op::Silence(pod) => {
                self.is_upset |= matches!(op, Op::Crash(_) | Op::CutOff(_) | Op::Evict(_)) && self.is_removing();
                let Some(running) = self.cluster.pods.get_mut(*pod) else { return Ok(()) };
                match op {
                    Op::Connect { clients, .. } if running.pod.stage == Stage::Ready && running.draining.is_none() => {
                        running.connections += clients;
                    }
                    Op::Evict(_) => running.pod.life = Life::Over,
                    Op::Crash(_) => running.crash(),
                    Op::CutOff(_) => running.cut_off_until = now + 20,
                    Op::Silence(_) => running.silent_until = now + 50,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn is_removing(&self) -> bool {
        self.cluster.count() > self.cluster.deployment.replicas
    }

    /// A pod that a ReplicaSet took away.
    fn judge(&self, taken: &Taken) -> Result<(), String> {
        let (pod, now) = (&taken.pod, self.cluster.now);
        let had_its_time = pod.pod.since.is_some_and(|since| time(now - PATIENCE) >= since);
        let was_overdue = self.oldest <= now - 2 * PATIENCE;
        let was_idle = self.idle.contains(&pod.pod.uid);
        let is_excused = was_idle
            || self.is_upset
            || taken.in_rollout
            || had_its_time
            || (was_overdue && pod.pod.stage < Stage::Ready);
        if pod.connections == 0 || is_excused {
            return Ok(());
        }
        Err(format!("undrained: {pod:?}"))
    }

    fn operate(&mut self, steps: usize, late: bool) -> Result<(), String> {
        let fresh: Vec<Pod> = self.cluster.pods.iter().map(|running| running.pod.clone()).collect();
        let late = late && self.cluster.now - self.seen_at <= LATEST;
        self.seen_at = self.cluster.now;
        // It knows what it wrote itself.
        let written = |pod: &Pod| {
            let now = fresh.iter().find(|now| now.uid == pod.uid).unwrap_or(pod);
            Pod { cost: now.cost, since: now.since, ..pod.clone() }
        };
        let pods = if late { self.seen.iter().map(written).collect() } else { fresh.clone() };
        self.seen = fresh;
        if late && pods.is_empty() {
            return Ok(());
        }
        let waits = self.ask.template_waits;
        let decision = operator::look(&self.cluster, &pods, self.ask, self.plant);
        let took_all = steps >= decision.steps.len();
        for step in decision.steps.iter().take(steps) {
            if !self.carry_out(step, late)? {
                return Ok(());
            }
            if matches!(step, Step::SetReplicas { .. }) {
                self.is_upset |= late && self.cluster.pods.iter().any(|pod| pod.cut_off_until > self.cluster.now);
                let silent = self.cluster.pods.iter().filter(|pod| !pod.answers(self.cluster.now));
                self.idle.extend(silent.map(|pod| pod.pod.uid.clone()));
                self.idle.extend(pods.iter().filter(|pod| !pod.runs).map(|pod| pod.uid.clone()));
            }
        }
        if waits && took_all && (!decision.holds_template() || self.plant == Plant::TemplateNotHeld) {
            let cluster = &self.cluster;
            let (has, told) = (cluster.count(), cluster.deployment.replicas);
            let is_marked = cluster.live().any(|pod| pod.pod.since.is_some());
            if !late && is_marked && !cluster.rolls() && (told > self.ask.wanted || has > told) {
                return Err("a template was written during a scale-down".to_owned());
            }
            self.ask.template_waits = false;
            self.cluster.write_template(false);
        }
        Ok(())
    }

    /// `Ok(false)`: the API server refused.
    fn carry_out(&mut self, step: &Step, late: bool) -> Result<bool, String> {
        let (now, rolls) = (self.cluster.now, self.cluster.has_old_pods());
        match step {
            Step::Mark { uid, mark, .. } => {
                let Some(running) = self.cluster.pods.iter_mut().find(|pod| pod.pod.uid == *uid) else {
                    return Ok(false);
                };
                let is_told_late = running.draining.is_none() && running.pod.cost == mark.cost;
                if !late && running.is_live() && running.pod.since.is_some() && !is_told_late {
                    return Err(format!("marked twice: {running:?}"));
                }
                if rolls && !late {
                    return Err("marked during a rollout".to_owned());
                }
                let is_new = running.pod.since.is_none();
                if is_new {
                    self.victims.push(running.connections);
                }
                (running.pod.cost, running.pod.since) = (mark.cost, Some(mark.since));
                if is_new && !late {
                    self.judge_number()?;
                }
            }
            Step::Unmark { uid, .. } => {
                let Some(running) = self.cluster.pods.iter_mut().find(|pod| pod.pod.uid == *uid) else {
                    return Ok(false);
                };
                (running.pod.cost, running.pod.since) = (0, None);
            }
            Step::Drain { pod } | Step::Undrain { pod } => {
                let found = self.cluster.pods.iter_mut().find(|running| running.pod.name == *pod);
                let Some(running) = found.filter(|running| running.answers(now)) else { return Ok(true) };
                if matches!(step, Step::Drain { .. }) {
                    running.draining.get_or_insert(now);
                } else if running.is_live() {
                    (running.draining, running.drained) = (None, false);
                }
            }
            Step::SetReplicas { replicas, removal } => {
                let told = self.cluster.deployment.replicas;
                if *replicas < told {
                    if *replicas < self.ask.wanted {
                        return Err(format!(
                            "lowered from {told} to {replicas}, though {} are wanted",
                            self.ask.wanted
                        ));
                    }
                    if rolls && !late {
                        self.may_lower_in_a_rollout(*replicas)?;
                    }
                    let marks = self.cluster.live().filter_map(|pod| pod.pod.since);
                    self.oldest = marks.min().map_or(i64::MAX, Timestamp::as_second);
                }
                self.cluster.deployment.replicas = *replicas;
                self.cluster.deployment.removal.clone_from(removal);
                self.cluster.deployment.generation += 1;
            }
        }
        Ok(true)
    }

    /// Somebody more was marked.
    fn judge_number(&self) -> Result<(), String> {
        let now = self.cluster.now;
        let has_time = |pod: &Running| {
            pod.pod.since.is_some_and(|since| since > time(now - PATIENCE))
                && pod.draining.is_none_or(|since| since > now - PATIENCE)
        };
        let drains = self.cluster.live().filter(|pod| pod.pod.runs && !pod.drained && has_time(pod)).count();
        match self.ask.at_once {
            Some(at_once) if drains > at_once as usize => Err(format!("{drains} drain at once: {:?}", self.cluster)),
            _ => Ok(()),
        }
    }

    /// Only when it was given up, with nobody on the way out, and by no more than may drain at once.
    fn may_lower_in_a_rollout(&self, replicas: u32) -> Result<(), String> {
        let deployment = &self.cluster.deployment;
        let last = time(self.cluster.now - LOST);
        let is_ending = self.cluster.pods.iter().any(|pod| matches!(pod.pod.life, Life::Ending(until) if until > last));
        let is_too_much = self.ask.at_once.is_some_and(|at_once| deployment.replicas - replicas > at_once.max(1));
        if !deployment.is_given_up || is_ending || is_too_much {
            return Err("lowered during a rollout".to_owned());
        }
        Ok(())
    }

    /// Lets everything come to rest, and looks whether it is as wanted: first with a template that is broken, if it is, and
    /// then with one that mends it.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        if self.cluster.is_broken {
            self.rest(|world| world.cluster.deployment.replicas == world.ask.wanted)?;
            let told = self.cluster.deployment.replicas;
            if told != self.ask.wanted && self.cluster.is_broken {
                return Err(format!("a broken template keeps {told}: {:?}", self.cluster));
            }
            self.ask.template_waits = true;
        }
        self.rest(|world| world.is_settled().is_ok())?;
        self.is_settled()
    }

    fn rest(&mut self, is_over: impl Fn(&Self) -> bool) -> Result<(), String> {
        for _ in 0..ROUNDS {
            for op in [
                Op::Operate { steps: usize::MAX, late: false },
                Op::Deployments,
                Op::ReplicaSets,
                Op::Kubelets,
                Op::Pass(2),
            ] {
                self.apply(&op)?;
            }
            if is_over(self) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> Result<(), String> {
        let fresh: Vec<Pod> = self.cluster.pods.iter().map(|running| running.pod.clone()).collect();
        let last = operator::look(&self.cluster, &fresh, Ask { template_waits: false, ..self.ask }, Plant::None);
        let told = self.cluster.deployment.replicas;
        let is_at_rest = |pod: &Running| {
            pod.pod.stage == Stage::Ready && pod.pod.since.is_none() && pod.pod.cost == 0 && pod.draining.is_none()
        };
        let holds = [
            ("as many are asked for as wanted", told == self.ask.wanted),
            ("as many are there as asked for", self.cluster.count() == told),
            ("all of them serve, unmarked", self.cluster.live().all(is_at_rest)),
            ("the template was written", !self.ask.template_waits),
            (
                "nothing is left to do",
                last.steps.is_empty() && last.activity == Activity::Settled && last.again.is_none(),
            ),
        ];
        match holds.iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((what, _)) => Err(format!("not so in the end: {what}: {last:?} {:?}", self.cluster)),
        }
    }
}
