//! The configuration, and the Secrets and ConfigMaps that it names, as files.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount};

use crate::configuration::{CONFIG, FILE, config_map_directory, secret_directory};
use crate::names;
use crate::validate::Validated;

/// Readable for the user and its group only.
const MODE: i32 = 0o440;

pub(super) fn volumes(gateway: &Validated) -> Vec<Volume> {
    let config = config_map("config".into(), names::config(&gateway.name), &BTreeSet::from([FILE.to_owned()]));
    let references = &gateway.configuration.references;
    let secrets = references.secrets.iter().enumerate().map(|(index, (name, keys))| Volume {
        name: volume("secret", index),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.clone()),
            items: Some(items(keys)),
            default_mode: Some(MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let config_maps = references.config_maps.iter().enumerate();
    let config_maps =
        config_maps.map(|(index, (name, keys))| config_map(volume("config-map", index), name.clone(), keys));
    std::iter::once(config).chain(secrets).chain(config_maps).collect()
}

fn config_map(volume: String, name: String, keys: &BTreeSet<String>) -> Volume {
    Volume {
        name: volume,
        config_map: Some(ConfigMapVolumeSource {
            name,
            items: Some(items(keys)),
            default_mode: Some(MODE),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn items(keys: &BTreeSet<String>) -> Vec<KeyToPath> {
    keys.iter().map(|key| KeyToPath { key: key.clone(), path: key.clone(), mode: None }).collect()
}

pub(super) fn mounts(gateway: &Validated) -> Vec<VolumeMount> {
    let mount = |name: String, path: String| VolumeMount {
        name,
        mount_path: path,
        read_only: Some(true),
        ..VolumeMount::default()
    };
    // Whole directories: only so does a pod see a certificate that is renewed.
    let config = mount("config".into(), CONFIG.into());
    let references = &gateway.configuration.references;
    let secrets = references.secrets.keys().enumerate();
    let secrets = secrets.map(|(index, name)| mount(volume("secret", index), secret_directory(name)));
    let config_maps = references.config_maps.keys().enumerate();
    let config_maps = config_maps.map(|(index, name)| mount(volume("config-map", index), config_map_directory(name)));
    std::iter::once(config).chain(secrets).chain(config_maps).collect()
}

/// Names of objects are longer than those of volumes may be.
fn volume(kind: &str, index: usize) -> String {
    format!("{kind}-{index}")
}
