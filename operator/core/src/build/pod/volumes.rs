//! The configuration and the Secrets as files.

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount};

use crate::configuration::{CONFIG, DIRECTORY, FILE};
use crate::names;
use crate::validate::Validated;

/// Readable for the user and its group only.
const MODE: i32 = 0o440;

pub(super) fn volumes(gateway: &Validated) -> Vec<Volume> {
    let config = Volume {
        name: "config".into(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::config(&gateway.name),
            items: Some(vec![KeyToPath { key: FILE.into(), path: FILE.into(), mode: None }]),
            default_mode: Some(MODE),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let secrets = gateway.configuration.secrets.iter().enumerate().map(|(index, (name, keys))| Volume {
        name: volume(index),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.clone()),
            items: Some(keys.iter().map(|key| KeyToPath { key: key.clone(), path: key.clone(), mode: None }).collect()),
            default_mode: Some(MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    std::iter::once(config).chain(secrets).collect()
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
    let secrets = gateway.configuration.secrets.keys().enumerate();
    let secrets = secrets.map(|(index, name)| mount(volume(index), format!("{DIRECTORY}/secrets/{name}")));
    std::iter::once(config).chain(secrets).collect()
}

/// Names of Secrets are longer than those of volumes may be.
fn volume(index: usize) -> String {
    format!("secret-{index}")
}
