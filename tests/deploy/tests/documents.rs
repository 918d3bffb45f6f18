//! The operator's documentation: its examples are accepted, its links lead somewhere, and no reason is left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use events_gateway_deploy::{checkout, documents, output, read};

const DIRECTORY: &str = "docs/operator";

/// The pages, by their paths in the checkout.
fn pages() -> Result<Vec<String>> {
    let mut pages = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(checkout().join(DIRECTORY))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().context("a page without a name")?.to_string_lossy().into_owned();
            pages.push(format!("{DIRECTORY}/{name}"));
        }
    }
    pages.sort();
    Ok(pages)
}

/// The blocks of a page that are marked as YAML.
fn examples(page: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        if line == "```yaml" {
            open = Some(String::new());
        } else if line == "```" {
            examples.extend(open.take());
        } else if let Some(example) = &mut open {
            example.extend([line, "\n"]);
        }
    }
    examples
}

/// The operator that was built beside the running test.
fn operator() -> Result<PathBuf> {
    let test = std::env::current_exe().context("failed to ask for the running test")?;
    let built = test.ancestors().skip(1).take(2).map(|directory| directory.join("events-gateway-operator"));
    match built.into_iter().find(|binary| binary.is_file()) {
        Some(binary) => Ok(binary),
        None => bail!("no operator beside {}: run make build", test.display()),
    }
}

#[test]
fn every_gateway_in_the_documentation_is_accepted() -> Result<()> {
    let (operator, directory) = (operator()?, tempfile::tempdir()?);
    let file = directory.path().join("example.yaml");
    let mut accepted = 0;
    for page in pages()? {
        for example in examples(&read(&page)?) {
            let objects = documents(&example).with_context(|| page.clone())?;
            if objects.iter().any(|object| object["kind"] == "EventsGateway") {
                std::fs::write(&file, &example)?;
                output(Command::new(&operator).arg("check").arg(&file))
                    .with_context(|| format!("{page} has\n{example}"))?;
                accepted += 1;
            }
        }
    }
    ensure!(accepted > 5, "only {accepted} examples were found");
    Ok(())
}

#[test]
fn every_link_leads_to_a_file() -> Result<()> {
    for page in pages()? {
        let text = read(&page)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if link.starts_with("http") || file.is_empty() {
                continue;
            }
            let beside = checkout().join(Path::new(&page).parent().context("a page without a directory")?);
            ensure!(beside.join(file).exists(), "{page} links to {link}, which isn't there");
        }
    }
    Ok(())
}

#[test]
fn every_page_stands_in_the_index() -> Result<()> {
    let index = read("docs/operator/README.md")?;
    for page in pages()?.iter().filter_map(|page| page.strip_prefix("docs/operator/")) {
        ensure!(page == "README.md" || index.contains(&format!("]({page})")), "the index has no {page}");
    }
    Ok(())
}

#[test]
fn every_reason_of_a_condition_is_explained() -> Result<()> {
    // Kubernetes' own words, which are compared there.
    const OTHERS: [&str; 4] = ["Progressing", "ReplicaFailure", "True", "False"];
    let source = read("operator/core/src/status/conditions.rs")?;
    let told = read("docs/operator/troubleshooting.md")?;
    let is_word = |text: &&str| {
        text.starts_with(|first: char| first.is_ascii_uppercase()) && text.chars().all(|one| one.is_ascii_alphabetic())
    };
    let mut explained = 0;
    // Every second piece between quotation marks is a literal.
    for word in source.split('"').skip(1).step_by(2).filter(is_word).filter(|word| !OTHERS.contains(word)) {
        ensure!(
            told.contains(&format!("`{word}`")) || told.contains(&format!("## {word}\n")),
            "{word} isn't explained"
        );
        explained += 1;
    }
    ensure!(explained > 30, "only {explained} words were found");
    Ok(())
}
