//! A child process that can't outlive the test that started it.

pub mod spawner;
pub mod system;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

pub use system::Signal;

use crate::wait;

/// How much of a log is shown with an error.
const TAIL: u64 = 6_000;

/// A running program in a process group of its own, its output in a log file.
///
/// Dropping it kills the whole group. The kernel kills the program when the test process dies first. Output of one life
/// is appended to that of earlier ones with the same log.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; what it prints goes to `log`.
    ///
    /// # Errors
    /// When the program can't be started or the log can't be written.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("failed to open the log {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("failed to share the log")?)
            .stderr(output)
            .process_group(0);
        system::die_with_parent(&mut command);
        let child = spawner::spawn(command).with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), ended: None })
    }

    /// What it was called in [`Process::start`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is its group's too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends a signal to the process and its children. Does nothing once it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            system::signal_group(self.child.id(), signal);
        }
    }

    /// How it ended, or nothing while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for it to end.
    ///
    /// # Errors
    /// When it still runs after `bound`; the log's tail is part of the message.
    pub async fn wait(&mut self, bound: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let waited = wait::until_true(&what, bound, || self.exited().is_some()).await;
        waited.with_context(|| self.tail())?;
        Ok(self.ended.expect("the wait ends only with an exit status"))
    }

    /// Kills it at once (SIGKILL) with its children, and waits until it is gone.
    pub fn kill(&mut self) {
        if self.exited().is_none() {
            system::signal_group(self.child.id(), Signal::Kill);
            self.ended = self.child.wait().ok();
        }
    }

    /// Waits until `condition` gives a value while the process lives.
    ///
    /// # Errors
    /// After `bound`, or at once when the process ends; the log's tail is part of the message.
    pub async fn until<T, F, Fut>(&mut self, what: &str, bound: Duration, mut condition: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Option<T>>>,
    {
        let waited = wait::until(what, bound, || {
            let ended = self.exited();
            let answer = condition();
            async move {
                if let Some(status) = ended {
                    anyhow::bail!("it ended with {status}");
                }
                answer.await
            }
        })
        .await;
        waited.with_context(|| format!("{} did not come to {what}\n{}", self.name, self.tail()))
    }

    /// The end of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = read_tail(&self.log).unwrap_or_else(|error| format!("(unreadable: {error})"));
        format!("--- end of the log of {} ---\n{text}\n---", self.name)
    }

    /// Resident memory in bytes and open descriptors, or nothing once it is gone.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
        self.kill();
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory, bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: usize,
    /// User and system time used so far.
    pub cpu: Duration,
}

impl Usage {
    /// Of the process `pid`, read from /proc.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in brackets and may hold spaces: count behind it.
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Self {
            resident: kibibytes * 1024,
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
            // Linux counts in hundredths of a second on every machine that the suites run on.
            cpu: Duration::from_millis(ticks * 10),
        })
    }
}

fn read_tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;

    fn shell(directory: &Directory, script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start("shell", command, &directory.join("log")).expect("a shell can be started")
    }

    /// Waits until the script says so.
    async fn ready(process: &mut Process) {
        let log = process.log().to_path_buf();
        let said = || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            async move { Ok(text.contains("ready").then_some(())) }
        };
        process.until("its line", Duration::from_secs(10), said).await.expect("the shell prints");
    }

    fn runs(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[tokio::test]
    async fn a_dropped_process_takes_its_children_with_it() {
        let directory = Directory::new("process").expect("a directory");
        let mut process = shell(&directory, "sleep 600 & echo ready; wait");
        ready(&mut process).await;
        let id = process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("Linux lists children");
        let child: u32 = children.trim().parse().expect("one child");
        assert!(runs(child));
        drop(process);
        wait::until_true("the child's end", Duration::from_secs(10), || !runs(child)).await.expect("the child is gone");
    }

    #[tokio::test]
    async fn a_process_outlives_the_thread_that_started_it() {
        let directory = Directory::new("process").expect("a directory");
        let mut process = std::thread::scope(|scope| {
            scope.spawn(|| shell(&directory, "sleep 600")).join().expect("the thread ends well")
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(process.exited().is_none());
    }

    #[tokio::test]
    async fn a_wait_ends_at_once_and_shows_the_log_when_the_process_dies() {
        let directory = Directory::new("process").expect("a directory");
        let mut process = shell(&directory, "echo the reason; exit 3");
        let waited = process.until("readiness", Duration::from_secs(60), || async { Ok(None::<()>) }).await;
        let message = format!("{:#}", waited.expect_err("it never becomes ready"));
        assert!(message.contains("the reason") && message.contains("exit status: 3"), "{message}");
    }

    #[tokio::test]
    async fn a_stopped_process_can_be_continued_and_measured() {
        let directory = Directory::new("process").expect("a directory");
        let mut process = shell(&directory, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        ready(&mut process).await;
        assert!(process.usage().expect("it runs").resident > 0);
        process.signal(Signal::Stop);
        process.signal(Signal::Terminate);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(process.exited().is_none(), "a stopped process handles nothing");
        process.signal(Signal::Continue);
        process.wait(Duration::from_secs(10)).await.expect("it ends");
    }
}
