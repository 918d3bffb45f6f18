//! Directories of test servers, removed with their owner.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// Set to anything: directories are left behind, to be looked at.
const KEEP: &str = "EVENTS_GATEWAY_KEEP_TEST_DIRECTORIES";

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEEP: Once = Once::new();

/// A directory of its own for one server. Dropping it removes it.
///
/// What a killed test process left behind is removed by the next one.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Creates one whose name tells what it is for.
    ///
    /// # Errors
    /// When the temporary directory isn't writable.
    pub fn new(purpose: &str) -> Result<Self> {
        let root = root();
        SWEEP.call_once(|| sweep(&root));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{}-{number}-{purpose}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("failed to create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file inside and returns its path.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.join(name);
        std::fs::write(&path, content).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::env::var_os(KEEP).is_none() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

fn root() -> PathBuf {
    std::env::temp_dir().join("events-gateway-tests")
}

/// Removes the directories of processes that are gone.
fn sweep(root: &Path) {
    if std::env::var_os(KEEP).is_some() {
        return;
    }
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_goes_with_its_owner() {
        let directory = Directory::new("test").expect("a temporary directory can be made");
        let path = directory.path().to_path_buf();
        directory.write("file", "text").expect("a file can be written");
        assert!(path.join("file").exists());
        drop(directory);
        assert!(!path.exists());
    }
}
