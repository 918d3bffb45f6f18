//! Programs and files that `tests/tools/install` brought.

use std::path::PathBuf;

use anyhow::{Result, bail};
use events_gateway_harness::tools;

/// A program.
///
/// # Errors
/// When it isn't there, with the command that builds it.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = directory().join(name);
    if !path.is_file() {
        bail!("{name} isn't in {}: run tests/tools/install", directory().display());
    }
    Ok(path)
}

/// The files of a folder, such as `crds` or `kwok-stages`, by name.
///
/// # Errors
/// When there are none, with the command that brings them.
pub fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = directory().join(folder);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    if files.is_empty() {
        bail!("there is nothing in {}: run tests/tools/install", folder.display());
    }
    Ok(files)
}

/// Where all of them are.
#[must_use]
pub fn directory() -> PathBuf {
    tools::checkout().join(".tools/kubernetes")
}
