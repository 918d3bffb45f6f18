//! `generate`: pages of the documentation that are made from the code.

mod reference;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::metrics;

pub(super) fn generate() -> Result<()> {
    let pages = [("docs/operator-metrics.md", metrics::page()), ("docs/operator/reference.md", reference::page())];
    for (path, text) in pages {
        let path = Path::new(path);
        std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
