//! Images, made as users make them: by `deploy/images/oci`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use events_gateway_harness::directory::Directory;
use events_gateway_harness::tools;
use tokio::process::Command;

use crate::run::run;

/// The pause container's image, which every pod has.
pub const PAUSE: &str = "example.com/pause:1";

/// An image in a file, for [`crate::Node::import`]. Dropping it removes the file.
#[derive(Debug)]
pub struct Image {
    name: String,
    directory: Directory,
}

impl Image {
    /// An image of a program and what it is linked with, for the user 65532, without debug information.
    ///
    /// `name` is `example.com/gateway:1`: with a tag, which mustn't be `latest`, or kubelets would look for it elsewhere.
    ///
    /// # Errors
    /// When the program or a tool is missing.
    pub async fn of(name: &str, program: &Path) -> Result<Self> {
        Self::for_user(name, program, "65532:65532").await
    }

    /// The pause container's image.
    ///
    /// # Errors
    /// When there is no C compiler.
    pub async fn pause() -> Result<Self> {
        let directory = Directory::new("pause")?;
        let program = directory.join("pause");
        let mut compiler = Command::new(tools::program("gcc")?);
        compiler.args(["-static", "-O2", "-Wall", "-o"]).arg(&program);
        compiler.arg(tools::checkout().join("tests/cluster/images/pause.c"));
        run(compiler, None).await.context("failed to build the pause program")?;
        Self::for_user(PAUSE, &program, "65535:65535").await
    }

    async fn for_user(name: &str, program: &Path, user: &str) -> Result<Self> {
        let image = Self { name: name.to_owned(), directory: Directory::new("image")? };
        let mut command = Command::new(tools::checkout().join("deploy/images/oci"));
        command.args(["--strip", "--name", name, "--user", user, "--output"]).arg(image.file()).arg(program);
        run(command, None).await?;
        Ok(image)
    }

    /// As pods call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("image.tar")
    }
}
