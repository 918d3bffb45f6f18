//! Helm, of both releases that people use.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use events_gateway_harness::directory::Directory;
use tokio::process::Command;

use crate::program::program;
use crate::run::run;

/// A major release of Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Merges on the client, with what it applied last.
    Three,
    /// Applies on the server.
    Four,
}

impl Release {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Three, Self::Four];

    /// The program, as `tests/tools/install` names it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Three => "helm3",
            Self::Four => "helm4",
        }
    }
}

/// Helm of one user of one cluster, with caches and settings of its own.
#[derive(Debug)]
pub struct Helm {
    kubeconfig: PathBuf,
    program: PathBuf,
    home: Directory,
}

impl Helm {
    /// By a kubeconfig.
    ///
    /// # Errors
    /// When it isn't installed.
    pub fn new(release: Release, kubeconfig: &Path) -> Result<Self> {
        let (name, kubeconfig) = (release.program(), kubeconfig.to_path_buf());
        Ok(Self { kubeconfig, program: program(name)?, home: Directory::new(name)? })
    }

    /// Runs it with arguments and gives what it printed.
    ///
    /// # Errors
    /// When it fails or hangs for five minutes; what it printed is part of the message.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--kubeconfig").arg(&self.kubeconfig);
        command.env_remove("KUBECONFIG").env("HOME", self.home.path());
        for (name, folder) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(format!("HELM_{name}_HOME"), self.home.join(folder));
        }
        run(command, None).await
    }

    /// [`Helm::run`] with words that are separated by spaces.
    ///
    /// # Errors
    /// As [`Helm::run`].
    pub async fn say(&self, words: &str) -> Result<String> {
        self.run(&words.split_whitespace().collect::<Vec<_>>()).await
    }
}
