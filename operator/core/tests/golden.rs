//! Whole objects: what is made of the resources in `golden/NAME.yaml` stands in `golden/NAME.objects.yaml`.
//!
//! `make generate` writes those files again; a change of them is a change of what runs in people's clusters.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use events_gateway_operator_core::{Kind, Surroundings, build, validate};
use events_gateway_resources::EventsGateway;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn surroundings() -> Surroundings {
    let secrets = ["registry", "listener", "own-token", "redis", "kafka"];
    Surroundings {
        default_image: "registry.example.org/events-gateway:1.0.0".into(),
        may_update_image: true,
        operator_namespace: Some("events-gateway".into()),
        kinds: Kind::ALL.into(),
        secrets: Some(secrets.map(|name| (name.to_owned(), format!("{name}@1"))).into()),
        config_maps: Some([("authorities".to_owned(), "authorities@1".to_owned())].into()),
    }
}

fn made_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let gateway: EventsGateway = serde_saphyr::from_str(&text).unwrap();
    let validated = validate(&gateway, &surroundings()).unwrap_or_else(|problems| panic!("{path:?}: {problems:?}"));
    let objects = build(&validated);
    let documents: Vec<String> = objects.values().map(|object| serde_saphyr::to_string(object).unwrap()).collect();
    documents.join("---\n")
}

#[test]
fn objects_are_those_in_the_repository() {
    let mut differing = BTreeMap::new();
    let resources = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let resources: Vec<PathBuf> = resources.filter(|path| !path.to_string_lossy().ends_with(".objects.yaml")).collect();
    assert!(resources.len() >= 3);
    for resource in resources {
        let (made, golden) = (made_of(&resource), resource.with_extension("objects.yaml"));
        if std::env::var_os("EVENTS_GATEWAY_WRITE_GOLDEN").is_some() {
            std::fs::write(&golden, &made).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != made {
            differing.insert(golden, made);
        }
    }
    assert!(differing.is_empty(), "these differ (make generate writes them): {:#?}", differing.keys());
}
