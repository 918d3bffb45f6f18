//! The machine that is measured on: what it is, which core a server gets, how many descriptors a process may have.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Which part of the machine this process, and all that it starts, runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All cores.
    Whole,
    /// The first core: the measured server's alone.
    Server,
    /// All cores but the first: clients, Kafka, Redis.
    Rest,
}

/// Moves every thread of this process; children and threads that these start from now on stay there too. On a machine with
/// one core nothing happens.
///
/// # Errors
/// When the kernel refuses.
pub fn run_on(part: Part) -> Result<()> {
    let cores = cores()?;
    if cores < 2 {
        return Ok(());
    }
    let range = match part {
        Part::Whole => 0..cores,
        Part::Server => 0..1,
        Part::Rest => 1..cores,
    };
    let mut set = CpuSet::new();
    range.for_each(|core| set.set(core));
    // All threads, for a child is on its parent thread's cores, and that needn't be the thread which asked for it.
    for thread in fs::read_dir("/proc/self/task").context("failed to list threads")? {
        let name = thread.context("failed to list threads")?.file_name();
        let id = name.to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
        match sched_setaffinity(id, &set) {
            // It has ended meanwhile.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error).context("failed to choose cores"),
        }
    }
    Ok(())
}

/// Runs `start` on the server's part of the machine and goes back to the rest.
///
/// # Errors
/// Those of `start`, and when the kernel refuses.
pub fn start_server<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    run_on(Part::Server)?;
    let started = start();
    run_on(Part::Rest)?;
    started
}

/// How many cores the machine has.
fn cores() -> Result<usize> {
    let text = fs::read_to_string("/proc/cpuinfo").context("failed to read /proc/cpuinfo")?;
    Ok(text.lines().filter(|line| line.starts_with("processor")).count())
}

/// Lets this process and its children open as many descriptors as they may ever have; returns how many that is.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_descriptors() -> Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("failed to raise the number of descriptors")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// One line: processor, cores, memory, kernel.
#[must_use]
pub fn description() -> String {
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    };
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = cores().unwrap_or(0);
    let kibibytes: u64 =
        field("/proc/meminfo", "MemTotal").and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (memory, release) = ((kibibytes + (1 << 19)) >> 20, release.trim());
    format!("{processor}, {cores} cores, {memory} GiB, Linux {release}")
}

#[cfg(test)]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_server_is_started_on_one_core() {
        let during = start_server(|| Ok(sched_getaffinity(None)?.count())).unwrap();
        let after = sched_getaffinity(None).unwrap().count() as usize;
        run_on(Part::Whole).unwrap();
        assert_eq!(during, 1);
        assert_eq!(after, (cores().unwrap() - 1).max(1));
    }

    #[test]
    fn the_description_names_cores_and_memory() {
        let text = description();
        assert!(text.contains(" cores, ") && text.contains(" GiB, Linux "), "{text}");
    }
}
