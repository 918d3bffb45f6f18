//! Runs a program to its end.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// No program that a suite runs to its end takes longer; one that does hangs.
const BOUND: Duration = Duration::from_secs(300);

/// What it printed, if it ended well. `input` is what it reads.
///
/// # Errors
/// When it can't be started, hangs for five minutes, or fails; what it printed is part of the message.
pub(crate) async fn run(mut command: Command, input: Option<&str>) -> Result<String> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let shown = format!("{:?}", command.as_std());
    let ended = timeout(BOUND, finish(command, input)).await;
    let output = ended.with_context(|| format!("{shown} hangs"))?.with_context(|| format!("failed to run {shown}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} ended with {}:\n{}\n{}", output.status, errors.trim_end(), printed.trim_end());
    }
    Ok(printed)
}

async fn finish(mut command: Command, input: Option<&str>) -> std::io::Result<Output> {
    let mut child = command.spawn()?;
    // What a suite writes is small: it fits the pipe before the program reads.
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(text.as_bytes()).await?;
    }
    child.wait_with_output().await
}
