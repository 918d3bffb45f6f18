//! What the kernel tells of this process, under the names that Prometheus' client libraries agreed on.

use super::table::{PROCESS_CPU, PROCESS_FDS, PROCESS_MAX_FDS, PROCESS_MEMORY, PROCESS_START, PROCESS_THREADS};
use super::{Sheet, Source};

/// `USER_HZ`: the unit of CPU times in `/proc`, 100 by the kernel's ABI on every architecture that Rust's std supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at each scrape; what can't be read is left out.
#[must_use]
pub fn source() -> Source {
    let started = crate::clock::now();
    Box::new(move |sheet| {
        collect(sheet);
        sheet.put(&PROCESS_START, &[], started.0 as f64 / 1_000.0);
    })
}

fn collect(sheet: &mut Sheet) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    if let Some(ticks) = cpu_ticks(&read("stat")) {
        sheet.put(&PROCESS_CPU, &[], ticks as f64 / TICKS_PER_SECOND);
    }
    let status = read("status");
    if let Some(kibibytes) = field(&status, "VmRSS:", 0) {
        sheet.count(&PROCESS_MEMORY, &[], kibibytes * 1_024);
    }
    if let Some(threads) = field(&status, "Threads:", 0) {
        sheet.count(&PROCESS_THREADS, &[], threads);
    }
    if let Some(most) = field(&read("limits"), "Max open files", 0) {
        sheet.count(&PROCESS_MAX_FDS, &[], most);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // Less the one that reads this directory.
        sheet.count(&PROCESS_FDS, &[], (open.count() as u64).saturating_sub(1));
    }
}

/// utime and stime: fields 14 and 15 of proc(5)'s stat, counted after the name, which may hold spaces and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// The number at `index` after `name` on the line that begins with it.
fn field(text: &str, name: &str, index: usize) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_whatever_the_process_is_called() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 1000 1 1";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:", 0), Some(1_234));
        assert_eq!(field("Max open files            20000   20000  files\n", "Max open files", 0), Some(20_000));
        assert_eq!(field("VmRSS:\t x\n", "VmRSS:", 0), None);
    }
}
