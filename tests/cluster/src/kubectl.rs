//! kubectl, as people use it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use events_gateway_harness::directory::Directory;
use tokio::process::Command;

use crate::program::program;
use crate::run::run;

/// kubectl of one user of one cluster. Clones share a cache.
#[derive(Debug, Clone)]
pub struct Kubectl {
    kubeconfig: PathBuf,
    program: PathBuf,
    cache: Arc<Directory>,
}

impl Kubectl {
    /// By a kubeconfig.
    ///
    /// # Errors
    /// When kubectl isn't installed.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let cache = Arc::new(Directory::new("kubectl")?);
        Ok(Self { kubeconfig: kubeconfig.to_path_buf(), program: program("kubectl")?, cache })
    }

    /// Runs it with arguments and gives what it printed.
    ///
    /// # Errors
    /// When it fails or hangs for five minutes; what it printed is part of the message.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        run(self.command(arguments), None).await
    }

    /// [`Kubectl::run`] with words that are separated by spaces.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn say(&self, words: &str) -> Result<String> {
        self.run(&words.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Applies objects in YAML or JSON to a namespace, on the server.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn apply(&self, namespace: &str, objects: &str) -> Result<String> {
        let arguments = ["apply", "--server-side", "--namespace", namespace, "--filename", "-"];
        run(self.command(&arguments), Some(objects)).await
    }

    /// A command to start and watch, such as `port-forward` or `logs --follow`.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(self.cache.path()).args(arguments);
        // No preferences of who runs the suite.
        command.env_remove("KUBECONFIG").env("HOME", self.cache.path());
        command
    }
}
