//! A table of results, to be read and to be kept.

use std::fmt::Write as _;

use events_gateway_harness::tools;

/// Rows of text under a heading, as Markdown.
#[derive(Debug)]
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(heading: &[&str]) -> Self {
        Self { heading: heading.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it and writes it to `target/NAME.md`.
    pub fn show(&self, name: &str) {
        let text = self.render();
        println!("\n{text}");
        let directory = tools::checkout().join("target");
        let _ = std::fs::create_dir_all(&directory);
        let _ = std::fs::write(directory.join(format!("{name}.md")), text);
    }

    fn render(&self) -> String {
        let width = |column: usize| {
            let cells = std::iter::once(&self.heading).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let mut text = String::new();
        let mut line = |row: &[String]| {
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
        };
        line(&self.heading);
        line(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
        for row in &self.rows {
            line(row);
        }
        text
    }
}
