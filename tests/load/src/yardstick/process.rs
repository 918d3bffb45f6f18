//! The yardstick as a child process, so that its processor time is its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use super::LISTENING;

/// A running yardstick. It ends when this is dropped, or when this process ends.
#[derive(Debug)]
pub struct YardstickProcess {
    child: Child,
    address: SocketAddr,
    channels: u32,
}

impl YardstickProcess {
    /// Starts this program again, as a yardstick.
    ///
    /// # Errors
    /// When it doesn't say its address.
    pub fn start(channels: u32, rate: u32) -> Result<Self> {
        Self::start_program(&std::env::current_exe().context("this program has no path")?, channels, rate)
    }

    /// [`YardstickProcess::start`] of the program `load` at this path.
    ///
    /// # Errors
    /// When it doesn't say its address.
    pub fn start_program(program: &Path, channels: u32, rate: u32) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["yardstick", "--channels", &channels.to_string(), "--rate", &rate.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the yardstick")?;
        let output = child.stdout.take().context("the yardstick has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("failed to read the yardstick's address")?;
        let address = line.trim().strip_prefix(LISTENING).and_then(|address| address.parse().ok());
        let address = address.with_context(|| format!("the yardstick said {line:?}, not its address"))?;
        Ok(Self { child, address, channels })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many channels it has.
    #[must_use]
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// Writes a line to its standard input: `start` or `stop`.
    ///
    /// # Errors
    /// When it is gone.
    pub fn order(&mut self, order: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the yardstick has no input")?;
        input.write_all(order.as_bytes()).context("the yardstick is gone")
    }
}

impl Drop for YardstickProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
