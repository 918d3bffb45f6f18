//! Where the programs are that tests/tools/install brought.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The checkout's root.
#[must_use]
pub fn checkout() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory
        .ancestors()
        .nth(2)
        .expect("the harness is two directories below the root of the checkout")
        .to_path_buf()
}

/// A program on the path, or in Debian's directories of servers.
///
/// # Errors
/// When it isn't there, with the command that installs it.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    match found {
        Some(program) => Ok(program),
        None => bail!("{name} isn't installed: run tests/tools/install"),
    }
}

/// The directory with Kafka's jars.
///
/// # Errors
/// When it isn't there, with the command that fetches it.
pub fn kafka_jars() -> Result<PathBuf> {
    let jars = checkout().join(".tools/kafka");
    if !jars.join(".stamp").is_file() {
        bail!("Kafka isn't in {}: run tests/tools/install", jars.display());
    }
    Ok(jars)
}

/// A program of the environment with schemathesis.
///
/// # Errors
/// When it isn't there, with the command that fetches it.
pub fn schemathesis(program: &str) -> Result<PathBuf> {
    let environment = checkout().join(".tools/schemathesis");
    if !environment.join(".stamp").is_file() {
        bail!("schemathesis isn't in {}: run tests/tools/install", environment.display());
    }
    Ok(environment.join("bin").join(program))
}
