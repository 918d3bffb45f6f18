//! The browser client, without a browser: its own tests, its types, its package. In Chromium it is tested in `tests/suites`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use events_gateway_deploy::{checkout, output, read};
use serde_json::Value;

fn client() -> PathBuf {
    checkout().join("gateway/browser")
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.current_dir(client().join("test"));
    node
}

#[test]
fn its_own_tests_pass() -> Result<()> {
    let files = std::fs::read_dir(client().join("test")).context("failed to list its tests")?;
    let mut names: Vec<_> = files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".test.js"));
    names.sort();
    ensure!(names.len() >= 5, "only {names:?}");
    let told = output(node().arg("--test").args(&names)).context("run tests/tools/install if there is no node")?;
    let passed = told.lines().find_map(|line| line.trim_start_matches(['#', 'ℹ', ' ']).strip_prefix("pass "));
    let passed: usize = passed.context("node tells no count")?.parse()?;
    ensure!(passed >= 50, "only {passed} passed:\n{told}");
    Ok(())
}

#[test]
fn its_types_are_what_a_strict_page_is_checked_against() -> Result<()> {
    let compiler = checkout().join(".tools/typescript/node_modules/typescript/lib/tsc.js");
    ensure!(compiler.is_file(), "TypeScript isn't in .tools: run tests/tools/install");
    let options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext"];
    output(node().arg(compiler).args(options).arg("consumer.ts")).map(drop)
}

#[test]
fn its_package_names_what_is_there_and_bears_the_workspaces_version() -> Result<()> {
    let package: Value = serde_json::from_str(&read("gateway/browser/package.json")?)?;
    for file in package["files"].as_array().context("no files")? {
        let file = file.as_str().context("a file's name")?;
        ensure!(client().join(file).exists(), "{file} isn't there");
    }
    for place in ["types", "default"] {
        let file = package["exports"]["."][place].as_str().context("an export")?;
        ensure!(client().join(file).exists(), "{file} isn't there");
    }
    ensure!(package["dependencies"].is_null(), "it has no dependencies");
    let version = package["version"].as_str().context("no version")?;
    ensure!(read("Cargo.toml")?.contains(&format!("\nversion = \"{version}\"")), "{version} isn't the workspace's");
    Ok(())
}
