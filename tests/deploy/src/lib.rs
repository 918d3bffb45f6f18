//! What the suites share that look at files for users: no server is needed, so that they are quick to build and to run.

pub mod chart;
pub mod expression;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// The checkout's root.
#[must_use]
pub fn checkout() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory.ancestors().nth(2).expect("two directories below the root of the checkout").to_path_buf()
}

/// The text of a file of the checkout.
///
/// # Errors
/// When it can't be read.
pub fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(checkout().join(path)).with_context(|| format!("failed to read {path}"))
}

/// The documents of a YAML text that hold something.
///
/// # Errors
/// When one of them isn't YAML, or has a key twice.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let mut texts = vec![String::new()];
    for line in text.lines() {
        match line {
            "---" => texts.push(String::new()),
            _ => texts.last_mut().expect("there is one").extend([line, "\n"]),
        }
    }
    let mut all = Vec::new();
    for text in texts {
        let value: Value = serde_saphyr::from_str(&text).with_context(|| format!("failed to parse\n{text}"))?;
        if !value.is_null() {
            all.push(value);
        }
    }
    Ok(all)
}

/// A program that `tests/tools/install` built.
///
/// # Errors
/// When it isn't there, with the command that builds it.
pub fn program(name: &str) -> Result<Command> {
    let path = checkout().join(".tools/kubernetes").join(name);
    if !path.is_file() {
        bail!("{name} isn't in {}: run tests/tools/install", path.display());
    }
    Ok(Command::new(path))
}

/// What a program writes, if it succeeds.
///
/// # Errors
/// With what it wrote, if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(text(&output.stdout))
}
