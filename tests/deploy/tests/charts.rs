//! The charts, by both versions of Helm: what they take and refuse, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use events_gateway_deploy::chart::{DEFINITIONS, HELMS, OPERATOR, find, lint, of_kind, render};
use events_gateway_deploy::{checkout, documents, output, read};
use serde_json::{Value, json};

const NAME: &str = "release-events-gateway-operator";

/// The values that stand beside the chart, as arguments.
fn variants() -> Result<Vec<String>> {
    let directory = checkout().join(OPERATOR).join("ci");
    let entries = std::fs::read_dir(&directory)?.map(|entry| Ok(format!("--values={}", entry?.path().display())));
    entries.collect()
}

fn everything() -> String {
    format!("--values={}", checkout().join(OPERATOR).join("ci/everything-values.yaml").display())
}

/// What the chart makes with some values, without the definitions, which take long to parse.
fn set(values: &str) -> Result<Vec<Value>> {
    render("helm3", OPERATOR, &["--set", "crds.install=false", "--set", values])
}

fn refusal(values: &str) -> Result<String> {
    let rendered = set(values);
    Ok(rendered.err().with_context(|| format!("{values} is taken"))?.to_string())
}

/// Its verbs by group and resource, from a role's rules.
fn rules(role: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let mut all = BTreeMap::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let verbs: &mut BTreeSet<String> = all.entry(format!("{group}/{resource}")).or_default();
                verbs.extend(texts(&rule["verbs"]));
            }
        }
    }
    all
}

#[test]
fn both_versions_of_helm_lint_and_render_every_variant_alike() -> Result<()> {
    for helm in HELMS {
        lint(helm, DEFINITIONS, &[])?;
        lint(helm, OPERATOR, &[])?;
        for variant in variants()? {
            lint(helm, OPERATOR, &[&variant])?;
        }
    }
    assert_eq!(render("helm3", DEFINITIONS, &[])?, render("helm4", DEFINITIONS, &[])?);
    for variant in variants()?.iter().map(String::as_str).chain(["--set=replicas=1"]) {
        assert_eq!(render("helm3", OPERATOR, &[variant])?, render("helm4", OPERATOR, &[variant])?, "{variant}");
    }
    Ok(())
}

#[test]
fn generated_files_are_current() -> Result<()> {
    output(std::process::Command::new(checkout().join("charts/generate")).arg("--check"))?;
    Ok(())
}

#[test]
fn charts_have_the_version_of_the_workspace() -> Result<()> {
    let manifest = read("Cargo.toml")?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = ")).context("no version")?;
    for chart in [OPERATOR, DEFINITIONS] {
        let chart = documents(&read(&format!("{chart}/Chart.yaml"))?)?.pop().context("no chart")?;
        for field in ["version", "appVersion"] {
            assert_eq!(chart[field], line.trim_matches('"'), "{field} of {}", chart["name"]);
        }
    }
    Ok(())
}

#[test]
fn a_value_that_nobody_knows_is_refused_by_its_name() -> Result<()> {
    for (values, says) in [
        ("replica=2", "'replica'"),
        ("image.tags=1", "'tags'"),
        ("metrics.serviceMonitor.enable=true", "'enable'"),
        ("log.level=loud", "/log/level"),
        ("namespaces={Shop}", "/namespaces/0"),
        ("image.digest=sha256:12", "/image/digest"),
        ("terminationGracePeriodSeconds=5", "/terminationGracePeriodSeconds"),
        ("replicas=2,leaderElection.enabled=false", "two operators would act at once"),
    ] {
        let said = refusal(values)?;
        ensure!(said.contains(says), "{values}: {said}");
    }
    Ok(())
}

/// Both ways: what the file has is in the schema by Helm's own check; this is what the schema has.
#[test]
fn every_value_of_the_schema_stands_in_the_values_with_its_default() -> Result<()> {
    fn missing(schema: &Value, values: &Value, path: &str, found: &mut Vec<String>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            // Parts of Kubernetes' own types, and what Helm gives to subcharts.
            if ["global", "/resources/claims"].iter().any(|known| format!("{path}/{name}").ends_with(known)) {
                continue;
            }
            match values.get(name) {
                Some(value) => missing(schema, value, &format!("{path}/{name}"), found),
                None => found.push(format!("{path}/{name}")),
            }
        }
    }
    for chart in [OPERATOR, DEFINITIONS] {
        let schema = serde_json::from_str(&read(&format!("{chart}/values.schema.json"))?)?;
        let values = documents(&read(&format!("{chart}/values.yaml"))?)?.pop().context("no values")?;
        let mut found = Vec::new();
        missing(&schema, &values, "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{chart}");
    }
    Ok(())
}

#[test]
fn definitions_are_those_of_the_repository_in_both_charts() -> Result<()> {
    for file in ["crds/eventsgateways.yaml", "crds/eventsgatewayoffsetresets.yaml"] {
        let definition = documents(&read(file)?)?.pop().context("no definition")?;
        let name = definition["metadata"]["name"].as_str().context("no name")?;
        for chart in [OPERATOR, DEFINITIONS] {
            let objects = render("helm3", chart, &[])?;
            let rendered = find(&objects, "CustomResourceDefinition", name)?;
            assert_eq!(rendered["spec"], definition["spec"], "{chart}");
            assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{chart}");
        }
    }
    let without = set("replicas=1")?;
    assert_eq!(of_kind(&without, "CustomResourceDefinition").count(), 0);
    Ok(())
}

#[test]
fn no_role_has_a_wildcard_and_the_readme_lists_every_resource() -> Result<()> {
    let readme = read(&format!("{OPERATOR}/README.md"))?;
    for arguments in [vec![], vec![everything()]] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let objects = render("helm3", OPERATOR, &arguments)?;
        let roles = of_kind(&objects, "ClusterRole").chain(of_kind(&objects, "Role"));
        for (resource, verbs) in roles.flat_map(rules) {
            ensure!(!resource.contains('*') && !verbs.contains("*"), "{resource}: {verbs:?}");
            let (_, name) = resource.split_once('/').context("no group")?;
            let is_for_people = name.ends_with("/scale");
            ensure!(is_for_people || readme.contains(&format!("`{name}`")), "the README doesn't list {resource}");
        }
    }
    Ok(())
}

#[test]
fn with_namespaces_listed_nothing_is_granted_cluster_wide() -> Result<()> {
    let whole = set("replicas=1")?;
    let expected = rules(find(&whole, "ClusterRole", NAME)?);
    assert_eq!(of_kind(&whole, "ClusterRoleBinding").count(), 1);

    let listed = set("namespaces={shop,payments}")?;
    assert_eq!(of_kind(&listed, "ClusterRoleBinding").count(), 0);
    let own: Vec<&Value> = of_kind(&listed, "Role").filter(|role| role["metadata"]["name"] == NAME).collect();
    let namespaces: Vec<&Value> = own.iter().map(|role| &role["metadata"]["namespace"]).collect();
    assert_eq!(namespaces, ["shop", "payments"]);
    assert!(own.iter().all(|role| rules(role) == expected));
    for binding in of_kind(&listed, "RoleBinding") {
        let subject = json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": "system" }]);
        let is_test = binding["metadata"]["name"] == format!("{NAME}-test");
        assert!(is_test || binding["subjects"] == subject, "{binding:#}");
    }
    let deployment = find(&listed, "Deployment", NAME)?;
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().context("no args")?;
    assert!(arguments.contains(&json!("--namespaces=shop,payments")), "{arguments:?}");
    Ok(())
}

#[test]
fn only_its_own_lease_is_written() -> Result<()> {
    let objects = set("leaderElection.leaseName=other")?;
    let role = find(&objects, "Role", &format!("{NAME}-lease"))?;
    assert_eq!(role["metadata"]["namespace"], "system");
    let named = json!({ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["other"],
        "verbs": ["get", "update"] });
    assert_eq!(role["rules"][1], named);
    assert_eq!(role["rules"][0]["verbs"], json!(["create"]));
    Ok(())
}

#[test]
fn a_selector_selects_the_pods_whatever_labels_are_added() -> Result<()> {
    let objects = render("helm3", OPERATOR, &[&everything()])?;
    let deployment = find(&objects, "Deployment", "events-operator")?;
    let selector = deployment["spec"]["selector"]["matchLabels"].as_object().context("no selector")?;
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert!(selector.iter().all(|(key, value)| labels[key] == *value), "{labels:#}");
    assert_eq!(labels["example.org/tier"], "control");
    for (kind, pointer) in [
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ("Service", "/spec/selector"),
    ] {
        let object = find(&objects, kind, "events-operator")?;
        assert_eq!(object.pointer(pointer).and_then(Value::as_object), Some(selector), "{kind}");
    }
    let test = find(&objects, "Pod", "events-operator-test")?;
    let labels = &test["metadata"]["labels"];
    assert!(!selector.iter().all(|(key, value)| labels[key] == *value), "the test's pod would be one of them");
    Ok(())
}

#[test]
fn what_goes_with_several_replicas_is_not_there_for_one() -> Result<()> {
    assert_eq!(of_kind(&set("replicas=1")?, "PodDisruptionBudget").count(), 0);
    assert_eq!(of_kind(&set("replicas=2")?, "PodDisruptionBudget").count(), 1);
    let alone = set("leaderElection.enabled=false")?;
    assert_eq!(find(&alone, "Deployment", NAME)?["spec"]["strategy"]["type"], "Recreate");
    Ok(())
}

#[test]
fn a_digest_decides_over_a_tag() -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let objects =
        set(&format!("image.repository=r.example/o,image.tag=v1,image.digest={digest},gateway.image.tag=v7"))?;
    let container = &find(&objects, "Deployment", NAME)?["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], format!("r.example/o@{digest}"));
    let arguments = container["args"].as_array().context("no args")?;
    assert!(arguments.contains(&json!("--gateway-image=events-gateway:v7")), "{arguments:?}");
    Ok(())
}
