//! The cgroups of one node's pods, in every hierarchy that this machine has.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// What the names begin with; the id of the test's process and a number follow.
const PREFIX: &str = "events-gateway-tests-";

/// How often a cgroup is looked at that still has processes.
const PACE: Duration = Duration::from_millis(50);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One cgroup of a name in every hierarchy.
#[derive(Debug)]
pub(super) struct Cgroups {
    name: String,
}

impl Cgroups {
    /// Creates them, and removes those of processes that are gone.
    pub(super) fn create() -> Result<Self> {
        let hierarchies = hierarchies();
        sweep(&hierarchies);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        for hierarchy in &hierarchies {
            let path = hierarchy.join(&name);
            std::fs::create_dir_all(&path).with_context(|| format!("failed to create {}", path.display()))?;
            inherit(hierarchy, &path);
        }
        Ok(Self { name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Removes them as soon as their processes are gone.
    pub(super) fn remove(&self, deadline: Instant) {
        for hierarchy in hierarchies() {
            let path = hierarchy.join(&self.name);
            while !remove(&path) && Instant::now() < deadline {
                std::thread::sleep(PACE);
            }
        }
    }
}

/// One folder for each controller (version 1), or one for all (version 2).
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_path_buf()];
    }
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    // Among them may be a version 2 without controllers: runc makes groups there too.
    folders.filter(|folder| folder.join("cgroup.procs").exists()).collect()
}

/// A new cgroup of version 1 has no processors and no memory, and takes no process, until it is told of some.
fn inherit(parent: &Path, child: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = std::fs::read_to_string(parent.join(file)) {
            let _ = std::fs::write(child.join(file), value);
        }
    }
    if child.join("cpuset.cpus").exists() {
        let _ = std::fs::write(child.join("cgroup.clone_children"), "1");
    }
}

/// Removes a cgroup with those below; says whether it is gone.
fn remove(path: &Path) -> bool {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(path);
    !path.exists()
}

fn sweep(hierarchies: &[PathBuf]) {
    for entry in hierarchies.iter().flat_map(std::fs::read_dir).flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            remove(&entry.path());
        }
    }
}
