//! Every example of the documents does what it says.

use events_gateway::cli::exit;
use events_gateway::config::{self, Environment};
use std::process::{Command, Stdio};

const README: &str = include_str!("../../README.md");
const BINARY: &str = env!("CARGO_BIN_EXE_events-gateway");

/// The fenced blocks of a language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn run(arguments: &[&str], input: Option<&str>) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("gateway.yaml"), blocks(README, "yaml")[0]).unwrap();
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(&directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.unwrap_or_default().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn the_readmes_configuration_is_right() {
    let yaml = blocks(README, "yaml");
    assert_eq!(yaml.len(), 1);
    config::parse(yaml[0], &Environment::new()).unwrap();
    let (code, text) = run(&["check-config", "--config", "gateway.yaml"], None);
    assert_eq!((code, text.as_str()), (0, "gateway.yaml is right\n"));
}

#[test]
fn every_configuration_of_the_pages_is_right() {
    let pages = [
        include_str!("../../docs/publishing.md"),
        include_str!("../../docs/identity.md"),
        include_str!("../../docs/filters.md"),
    ];
    for page in pages {
        let examples = blocks(page, "yaml");
        assert!(!examples.is_empty());
        for example in examples {
            config::parse(example, &Environment::new()).unwrap_or_else(|problems| panic!("{example}\n{problems}"));
        }
    }
}

#[test]
fn the_readmes_record_reaches_its_user() {
    let json = blocks(README, "json");
    assert_eq!(json.len(), 1);
    let record = format!(r#"{{"topic":"events","value":{}}}"#, json[0]);
    let (code, text) = run(&["route-test", "--config", "gateway.yaml", "--record", "-"], Some(&record));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("user:42") && text.contains("order.shipped"), "{text}");
}

#[test]
fn a_record_that_goes_nowhere_has_its_own_exit_code() {
    let record = r#"{"topic":"events","value":{"channels":["user 42"]}}"#;
    let (code, text) = run(&["route-test", "--config", "gateway.yaml", "--record", "-"], Some(record));
    assert_eq!(code, i32::from(exit::REJECTED), "{text}");
    assert!(text.contains("unroutable: channels[0]"), "{text}");
}

#[test]
fn a_wrong_configuration_is_told_whole_with_its_own_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.yaml");
    std::fs::write(&path, "streams: {hartbeat: 3s}\nkafka: {bindings: [{name: a}]}\nroutes: [{name: r, rules: [{channels: ['{nonsense']}]}]\n").unwrap();
    let (code, text) = run(&["check-config", "--config", path.to_str().unwrap()], None);
    assert_eq!(code, i32::from(exit::CONFIGURATION), "{text}");
    for place in ["streams.hartbeat", "kafka.bindings[0].topics", "kafka.bootstrap"] {
        assert!(text.contains(place), "{place} in {text}");
    }
}

#[test]
fn the_readmes_commands_are_targets_of_the_makefile() {
    let makefile = include_str!("../../Makefile");
    for line in blocks(README, "sh").iter().flat_map(|block| block.lines()).filter(|line| line.starts_with("make ")) {
        let target = line.split_whitespace().nth(1).unwrap();
        assert!(makefile.contains(&format!("\n{target}:")), "{line}");
    }
}

#[test]
fn the_generated_documents_are_what_the_code_generates() {
    let directory = tempfile::tempdir().unwrap();
    let (code, text) = run(&["generate", "--into", directory.path().to_str().unwrap()], None);
    assert_eq!(code, 0, "{text}");
    for entry in std::fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name();
        let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(&name);
        let committed = std::fs::read_to_string(&committed).unwrap_or_default();
        let generated = std::fs::read_to_string(directory.path().join(&name)).unwrap();
        assert!(committed == generated, "{name:?} differs: run make generate");
    }
}
