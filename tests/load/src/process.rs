//! What a process has used, read from /proc.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Linux counts processor time in hundredths of a second on every common machine (`getconf CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads of a process so far.
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    let ticks = ticks(&stat).context("failed to read the processor time of a process")?;
    Ok(TICK * ticks)
}

/// The program's name stands in brackets and may hold spaces: fields are counted behind it.
fn ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// User memory that belongs to a process alone, in bytes: Private_Dirty of smaps_rollup.
///
/// # Errors
/// When the process is gone.
pub fn private_memory(pid: u32) -> Result<u64> {
    let rollup =
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).with_context(|| format!("process {pid} is gone"))?;
    kibibytes(&rollup, "Private_Dirty:").context("smaps_rollup lacks Private_Dirty")
}

/// Kernel memory that can't be reclaimed, of the whole machine, in bytes: where sockets live.
///
/// # Errors
/// When /proc/meminfo can't be read.
pub fn kernel_memory() -> Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").context("failed to read /proc/meminfo")?;
    kibibytes(&meminfo, "SUnreclaim:").context("meminfo lacks SUnreclaim")
}

fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 1 0 5 0 0";
        assert_eq!(ticks(stat), Some(168));
    }

    #[test]
    fn this_process_has_memory_of_its_own() {
        assert!(private_memory(std::process::id()).unwrap() > 0);
        assert!(kernel_memory().unwrap() > 0);
        cpu(std::process::id()).unwrap();
    }
}
