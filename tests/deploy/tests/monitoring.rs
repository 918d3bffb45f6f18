//! Dashboards and alerts name what is measured, and promtool understands them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use events_gateway_deploy::expression::{family, metrics};
use events_gateway_deploy::{checkout, documents, output, program, read};
use serde_json::{Value, json};

const DASHBOARDS: [&str; 2] = ["deploy/monitoring/gateway.json", "deploy/monitoring/operator.json"];
const ALERTS: &str = "deploy/monitoring/alerts.yaml";

/// The families that the references list, with their types.
fn listed() -> Result<BTreeMap<String, String>> {
    let mut families = BTreeMap::new();
    for reference in ["docs/metrics.md", "docs/operator-metrics.md"] {
        for line in read(reference)?.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = line.split('|').skip(1).map(str::trim);
            let name = cells.next().context("a line without a name")?.trim_matches('`');
            families.insert(name.to_owned(), cells.next().context("a line without a type")?.to_owned());
        }
    }
    Ok(families)
}

/// The names that aren't listed.
fn unlisted(expressions: &[String]) -> Result<BTreeSet<String>> {
    let families = listed()?;
    let is_histogram = |name: &str| families.get(name).is_some_and(|kind| kind == "histogram");
    let names = expressions.iter().flat_map(|expression| metrics(expression));
    Ok(names.map(|name| family(&name, is_histogram)).filter(|name| !families.contains_key(name)).collect())
}

/// Every text under a key, however deep.
fn texts_at(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name == key => found.push(text.clone()),
                    _ => texts_at(value, key, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts_at(value, key, found)),
        _ => {}
    }
}

fn dashboard(path: &str) -> Result<Value> {
    serde_json::from_str(&read(path)?).with_context(|| format!("failed to parse {path}"))
}

fn expressions(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    texts_at(value, "expr", &mut found);
    found
}

fn alerts() -> Result<Value> {
    documents(&read(ALERTS)?)?.pop().context("no rules")
}

fn rules(alerts: &Value) -> Vec<&Value> {
    let groups = alerts["groups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect()
}

#[test]
fn every_metric_of_a_dashboard_is_measured() -> Result<()> {
    for path in DASHBOARDS {
        let dashboard = dashboard(path)?;
        let mut named = expressions(&dashboard);
        assert!(named.len() > 10, "{path} asks for hardly anything");
        texts_at(&dashboard["templating"], "definition", &mut named);
        assert_eq!(unlisted(&named)?, BTreeSet::new(), "{path} names what isn't measured");
    }
    Ok(())
}

#[test]
fn every_metric_of_an_alert_is_measured() -> Result<()> {
    assert_eq!(unlisted(&expressions(&alerts()?))?, BTreeSet::new());
    Ok(())
}

#[test]
fn a_name_that_is_not_measured_is_found() -> Result<()> {
    let expressions = ["rate(events_gateway_gaps[5m])", "events_gateway_gaps_total_bucket", "process_open_fds"];
    let found = unlisted(&expressions.map(str::to_owned))?;
    let expected = ["events_gateway_gaps", "events_gateway_gaps_total_bucket"];
    assert_eq!(found, expected.map(str::to_owned).into());
    Ok(())
}

#[test]
fn dashboards_can_be_imported_anywhere() -> Result<()> {
    for path in DASHBOARDS {
        let dashboard = dashboard(path)?;
        assert!(dashboard.get("id").is_none(), "{path}: an id belongs to one Grafana");
        let mut sources = Vec::new();
        texts_at(&dashboard["panels"], "uid", &mut sources);
        assert!(sources.iter().all(|uid| uid == "${datasource}"), "{path}: {sources:?}");
        let panels = dashboard["panels"].as_array().context("no panels")?;
        let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), panels.len(), "{path}: ids are given twice");
    }
    Ok(())
}

#[test]
fn promtool_takes_every_expression_of_the_dashboards() -> Result<()> {
    let mut rules = Vec::new();
    for path in DASHBOARDS {
        for expression in expressions(&dashboard(path)?) {
            let expression = expression.replace("$__rate_interval", "5m");
            rules.push(json!({ "record": format!("panel:{}", rules.len()), "expr": expression }));
        }
    }
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("panels.yaml");
    // JSON is YAML.
    std::fs::write(&file, json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string())?;
    output(program("promtool")?.args(["check", "rules"]).arg(&file))?;
    Ok(())
}

#[test]
fn every_alert_says_what_it_means_and_what_to_do() -> Result<()> {
    let alerts = alerts()?;
    for rule in rules(&alerts) {
        for annotation in ["summary", "description", "runbook"] {
            let text = rule["annotations"][annotation].as_str().unwrap_or_default();
            ensure!(!text.is_empty(), "{} has no {annotation}", rule["alert"]);
        }
        ensure!(["critical", "warning"].map(Value::from).contains(&rule["labels"]["severity"]), "{}", rule["alert"]);
    }
    Ok(())
}

#[test]
fn every_alert_is_raised_in_its_test_and_at_another_time_is_not() -> Result<()> {
    let alerts = alerts()?;
    let tests = documents(&read("deploy/monitoring/alerts.test.yaml")?)?.pop().context("no tests")?;
    let cases = tests["tests"].as_array().context("no tests")?;
    let cases = cases.iter().flat_map(|test| test["promql_expr_test"].as_array().into_iter().flatten());
    let (raised, quiet): (Vec<&Value>, Vec<&Value>) = cases.partition(|case| case.get("exp_samples").is_some());
    for rule in rules(&alerts) {
        let name = rule["alert"].as_str().context("a rule that is no alert")?;
        let is_its = |case: &&&Value| case["expr"].as_str().is_some_and(|text| text.contains(&format!("\"{name}\"")));
        ensure!(raised.iter().any(|case| is_its(&case)), "no test raises {name}");
        ensure!(quiet.iter().any(|case| is_its(&case)), "no test has {name} quiet");
    }
    let directory = checkout().join("deploy/monitoring");
    output(program("promtool")?.current_dir(&directory).args(["check", "rules", "alerts.yaml"]))?;
    output(program("promtool")?.current_dir(&directory).args(["test", "rules", "alerts.test.yaml"]))?;
    Ok(())
}
