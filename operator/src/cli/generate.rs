//! `generate`: pages of the documentation that are made from the code.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::metrics;

pub(super) fn generate() -> Result<()> {
    let path = Path::new("docs/operator-metrics.md");
    std::fs::write(path, metrics::page()).with_context(|| format!("failed to write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
