//! Resources in files, as `check` and `render` read them.

use std::io::Read as _;
use std::path::Path;

use events_gateway_operator_core::{Kind, Surroundings};
use events_gateway_resources::EventsGateway;
use serde_json::Value;

/// Largest file that is read.
const MAX_BYTES: u64 = 4 << 20;

/// Why a file can't be read as resources.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("failed to read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("failed to read {path}: it is larger than 4 MiB")]
    TooLarge { path: String },
    #[error("failed to parse {path}")]
    Parse { path: String, source: Box<serde_saphyr::Error> },
    #[error("{path} has no EventsGateway in it")]
    Empty { path: String },
    #[error("failed to read EventsGateway {name} in {path}")]
    Resource { path: String, name: String, source: serde_json::Error },
}

/// All gateways of a file with one or more YAML documents; `-` is standard input. Other kinds are passed over.
pub(super) fn gateways(path: &Path) -> Result<Vec<EventsGateway>, FileError> {
    let read = |object| {
        let (shown, name) = (path.display().to_string(), name(&object));
        serde_json::from_value(object).map_err(|source| FileError::Resource { path: shown, name, source })
    };
    objects(path)?.into_iter().map(read).collect()
}

/// What an object calls itself.
pub(super) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or("(without a name)").to_owned()
}

/// The same, as they are written.
pub(super) fn objects(path: &Path) -> Result<Vec<Value>, FileError> {
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    let read = if shown == "-" {
        std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|source| FileError::Read { path: shown.clone(), source })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge { path: shown });
    }
    let text = String::from_utf8_lossy(&bytes);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .map_err(|source| FileError::Parse { path: shown.clone(), source: Box::new(source) })?;
    let gateways: Vec<Value> = documents.into_iter().filter(|document| document["kind"] == "EventsGateway").collect();
    if gateways.is_empty() {
        return Err(FileError::Empty { path: shown });
    }
    Ok(gateways)
}

/// What is taken for the surroundings where no cluster is asked.
pub(super) fn surroundings(image: &str) -> Surroundings {
    Surroundings {
        default_image: image.into(),
        may_update_image: true,
        operator_namespace: Some("events-gateway".into()),
        kinds: Kind::ALL.into(),
        secrets: None,
        config_maps: None,
    }
}
