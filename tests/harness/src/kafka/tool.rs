//! What only Kafka's own programs can do: access-control lists, users, kinds of groups.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use super::{Kafka, java};

impl Kafka {
    /// Allows `user` everything with these topics and groups; nobody else may do anything with them any more.
    ///
    /// # Errors
    /// When the broker checks no lists, or is away.
    pub async fn allow(&self, user: &str, topics: &[&str], groups: &[&str]) -> Result<()> {
        let mut words = vec!["--add", "--force", "--operation", "All", "--allow-principal"];
        let principal = format!("User:{user}");
        words.push(&principal);
        topics.iter().for_each(|topic| words.extend(["--topic", topic]));
        groups.iter().for_each(|group| words.extend(["--group", group]));
        self.tool("org.apache.kafka.tools.AclCommand", &words).await.map(drop)
    }

    /// Adds a user of SCRAM-SHA-256, or gives one another password.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn add_user(&self, name: &str, password: &str) -> Result<()> {
        let credentials = format!("SCRAM-SHA-256=[password={password}]");
        let words = ["--alter", "--add-config", &credentials, "--entity-type", "users", "--entity-name", name];
        self.tool("kafka.admin.ConfigCommand", &words).await.map(drop)
    }

    /// The protocol of every group: `Consumer` (KIP-848), `Classic`, ….
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn group_types(&self) -> Result<BTreeMap<String, String>> {
        let list = self.tool("org.apache.kafka.tools.GroupsCommand", &["--list"]).await?;
        let rows = list.lines().skip(1).filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        });
        Ok(rows.collect())
    }

    /// Runs one of Kafka's programs against this broker, and gives what it printed.
    async fn tool(&self, program: &str, words: &[&str]) -> Result<String> {
        let mut command = java()?;
        command.args([program, "--bootstrap-server", &self.bootstrap()]).args(words);
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.context("failed to run java")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} failed: {said}{complaint}");
        Ok(said)
    }
}
