//! All figures of a run: written as JSON, rendered as a table, put into a document.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Number};

const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// What a run has measured, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The day, as `2026-11-21`.
    pub date: String,
    /// Processor, cores, memory, kernel.
    pub machine: String,
    /// Which command it was.
    pub command: String,
    /// All that was measured.
    pub figures: Vec<Figure>,
    /// Scenarios that could not be measured to their end, with the reason.
    pub failures: Vec<String>,
}

impl Report {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(self).context("failed to encode the results")?;
        json.push(b'\n');
        fs::write(path, json).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Reads what [`Report::save`] wrote.
    ///
    /// # Errors
    /// When the file isn't there or is another.
    pub fn load(path: &Path) -> Result<Self> {
        let json = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_slice(&json).with_context(|| format!("{} holds no results", path.display()))
    }

    /// A Markdown table with what was not measured below it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{}, on {}, by `{}`.\n\n", self.date, self.machine, self.command);
        text.push_str("| scenario | figure | median | lowest – highest | target | | configuration |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for figure in &self.figures {
            text.push_str(&row(figure));
        }
        for failure in &self.failures {
            text.push_str(&format!("\nNot measured: {failure}\n"));
        }
        text
    }

    /// Puts the table between the markers of a document.
    ///
    /// # Errors
    /// When the document has no markers or can't be written.
    pub fn fill(&self, path: &Path) -> Result<()> {
        let document = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        let filled = between_markers(&document, &self.table())
            .with_context(|| format!("{} lacks the lines {BEGIN} and {END}", path.display()))?;
        fs::write(path, filled).with_context(|| format!("failed to write {}", path.display()))
    }
}

fn row(figure: &Figure) -> String {
    let unit = if figure.unit.is_empty() { String::new() } else { format!(" {}", figure.unit) };
    let median = figure.median().map_or_else(|| "–".to_owned(), |median| format!("{}{unit}", Number(median)));
    let range = figure.range().map_or_else(String::new, |(low, high)| format!("{} – {}", Number(low), Number(high)));
    let target = figure.target.map_or_else(String::new, |target| format!("{target}{unit}"));
    let verdict = match figure.reached() {
        None => "",
        Some(true) => "reached",
        Some(false) => "**falls short**",
    };
    let Figure { scenario, name, note, .. } = figure;
    format!("| {scenario} | {name} | {median} | {range} | {target} | {verdict} | {note} |\n")
}

fn between_markers(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// Today in UTC, as `2026-11-21`; days become a date by Howard Hinnant's civil calendar algorithm.
#[must_use]
pub fn today() -> String {
    date_of(crate::event::now() / 86_400_000_000)
}

fn date_of(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Target;

    fn report() -> Report {
        let reached = Figure::new("latency", "p50", "ms", vec![0.5]).target(Target::AtMost(1.5));
        let short = Figure::new("ingest", "rate", "records/s", vec![30_000.0, 20_000.0])
            .target(Target::AtLeast(40_000.0))
            .note("one replica");
        Report {
            date: "2026-11-21".to_owned(),
            machine: "a machine".to_owned(),
            command: "make bench".to_owned(),
            figures: vec![reached, short],
            failures: vec!["resume: no answer".to_owned()],
        }
    }

    #[test]
    fn the_table_says_what_is_reached_and_what_falls_short() {
        let table = report().table();
        assert!(table.contains("| latency | p50 | 0.50 ms |  | <= 1.50 ms | reached |  |"), "{table}");
        let short =
            "| ingest | rate | 25000 records/s | 20000 – 30000 | >= 40000 records/s | **falls short** | one replica |";
        assert!(table.contains(short), "{table}");
        assert!(table.contains("Not measured: resume: no answer"), "{table}");
    }

    #[test]
    fn a_document_is_filled_twice_as_well_as_once() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nafter\n");
        let once = between_markers(&document, "new\n").expect("it has markers");
        assert_eq!(once, format!("# Title\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(between_markers(&once, "new\n"), Some(once.clone()));
        assert_eq!(between_markers("no markers", "new"), None);
    }

    #[test]
    fn results_read_back_as_written() {
        let json = serde_json::to_vec(&report()).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&json).unwrap(), report());
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(date_of(0), "1970-01-01");
        assert_eq!(date_of(11_016), "2000-02-29");
        assert_eq!(date_of(20_778), "2026-11-21");
    }
}
