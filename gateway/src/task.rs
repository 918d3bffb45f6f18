//! Tasks that run for the life of the process: each has a name and a span, and the death of any is told.

use std::future::Future;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tracing::Instrument as _;

/// A task ended that never should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task {task} {how}")]
pub struct Death {
    /// Its name.
    pub task: &'static str,
    /// How: `returned` or `panicked`.
    pub how: &'static str,
}

/// Spawns tasks.
#[derive(Debug, Clone)]
pub struct Tasks(mpsc::Sender<Death>);

/// Tells of the first death.
#[derive(Debug)]
pub struct Deaths(mpsc::Receiver<Death>);

/// A spawner, and the end that its tasks' deaths are told at: the process waits there and ends with an error.
#[must_use]
pub fn tasks() -> (Tasks, Deaths) {
    // The first death ends the process: no more need to be remembered.
    let (sender, receiver) = mpsc::channel(1);
    (Tasks(sender), Deaths(receiver))
}

impl Tasks {
    /// Runs `future` for the life of the process, in a span of its name. It must never end: if it returns or panics, that is
    /// told as its death.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let deaths = self.0.clone();
        let task = async move {
            // Whatever the task left broken is not used again: the process ends.
            let how = match std::panic::AssertUnwindSafe(future).catch_unwind().await {
                Ok(()) => "returned",
                Err(_) => "panicked",
            };
            let _ = deaths.try_send(Death { task: name, how });
        };
        tokio::spawn(task.instrument(tracing::info_span!("task", name)));
    }
}

impl Deaths {
    /// Waits for the first death; for ever if no spawner is left.
    pub async fn first(&mut self) -> Death {
        match self.0.recv().await {
            Some(death) => death,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_told_by_name() {
        let (tasks, mut deaths) = tasks();
        tasks.spawn("forever", std::future::pending());
        tasks.spawn("brief", async {});
        let death = deaths.first().await;
        assert_eq!(death.to_string(), "task brief returned");
    }

    #[tokio::test]
    async fn a_panic_is_a_death_too() {
        let (tasks, mut deaths) = tasks();
        tasks.spawn("broken", async { panic!("on purpose") });
        assert_eq!(deaths.first().await, Death { task: "broken", how: "panicked" });
    }
}
