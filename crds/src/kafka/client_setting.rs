//! The settings of librdkafka that `clientSettings` takes, and their types.

use serde_json::{Map, Value, json};

use Takes::{Boolean, Number, OneOf, Text};

/// A setting that may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSetting {
    /// librdkafka's name of it.
    pub name: &'static str,
    /// What it takes, as text.
    pub takes: Takes,
}

/// What a setting takes, as librdkafka's own reference has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// `true` or `false`.
    Boolean,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
}

const fn setting(name: &'static str, takes: Takes) -> ClientSetting {
    ClientSetting { name, takes }
}

/// All of them. None names a file, a command, a plugin or a URL (whoever writes those runs code or reads files), none is
/// the gateway's own business (commits, assignment, identity).
pub const TABLE: &[ClientSetting] = &[
    setting("api.version.request.timeout.ms", Number(1, 300_000)),
    setting("broker.address.family", OneOf(&["any", "v4", "v6"])),
    setting("broker.address.ttl", Number(0, 86_400_000)),
    setting("check.crcs", Boolean),
    setting("client.dns.lookup", OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])),
    setting("client.rack", Text),
    setting("compression.codec", OneOf(&["none", "gzip", "snappy", "lz4", "zstd"])),
    setting("connections.max.idle.ms", Number(0, 2_147_483_647)),
    setting("fetch.error.backoff.ms", Number(0, 300_000)),
    setting("fetch.max.bytes", Number(0, 2_147_483_135)),
    setting("fetch.message.max.bytes", Number(1, 1_000_000_000)),
    setting("fetch.min.bytes", Number(1, 100_000_000)),
    setting("fetch.queue.backoff.ms", Number(0, 300_000)),
    setting("fetch.wait.max.ms", Number(0, 300_000)),
    setting("linger.ms", Number(0, 900_000)),
    setting("log.connection.close", Boolean),
    setting("max.poll.interval.ms", Number(1, 86_400_000)),
    setting("message.max.bytes", Number(1_000, 1_000_000_000)),
    setting("metadata.max.age.ms", Number(1, 86_400_000)),
    setting("queued.max.messages.kbytes", Number(1, 2_097_151)),
    setting("queued.min.messages", Number(1, 10_000_000)),
    setting("receive.message.max.bytes", Number(1_000, 2_147_483_647)),
    setting("reconnect.backoff.max.ms", Number(0, 3_600_000)),
    setting("reconnect.backoff.ms", Number(0, 3_600_000)),
    setting("retry.backoff.max.ms", Number(1, 300_000)),
    setting("retry.backoff.ms", Number(1, 300_000)),
    setting("socket.connection.setup.timeout.ms", Number(1_000, 2_147_483_647)),
    setting("socket.keepalive.enable", Boolean),
    setting("socket.nagle.disable", Boolean),
    setting("socket.receive.buffer.bytes", Number(0, 100_000_000)),
    setting("socket.send.buffer.bytes", Number(0, 100_000_000)),
    setting("socket.timeout.ms", Number(10, 300_000)),
    setting("topic.metadata.propagation.max.ms", Number(0, 3_600_000)),
    setting("topic.metadata.refresh.interval.ms", Number(-1, 3_600_000)),
];

/// Their names.
pub const CLIENT_SETTINGS: &[&str] = &names();

const fn names() -> [&'static str; TABLE.len()] {
    let mut names = [""; TABLE.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = TABLE[index].name;
        index += 1;
    }
    names
}

/// The schema of each, for the API server, which knows keys beforehand (the gateway's own check tells what was meant).
pub(super) fn properties() -> Map<String, Value> {
    TABLE.iter().map(|setting| (setting.name.into(), schema(*setting))).collect()
}

fn schema(setting: ClientSetting) -> Value {
    let name = setting.name;
    match setting.takes {
        Number(min, max) => json!({
            "type": "string",
            "pattern": "^-?[0-9]{1,10}$",
            "maxLength": 11,
            "description": format!("A whole number, {min} to {max}, in quotes."),
            "x-kubernetes-validations": [{
                "rule": format!("int(self) >= {min} && int(self) <= {max}"),
                "message": format!("{name} must be {min} to {max}"),
            }],
        }),
        Boolean => json!({
            "type": "string",
            "enum": ["true", "false"],
            "description": "\"true\" or \"false\", in quotes.",
        }),
        OneOf(words) => json!({ "type": "string", "enum": words, "description": "One of these words." }),
        Text => json!({
            "type": "string",
            "pattern": r"^[^\x00-\x1f]{1,200}$",
            "maxLength": 200,
            "description": "A text without control characters.",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What runs code, reads files or calls out for whoever writes it, and what the gateway decides by itself.
    const NEVER: &str = "cmd command plugin library location path file url uri endpoint cb opaque interceptor secret \
                         password username keystore group commit offset client.id debug bootstrap metadata.broker";

    #[test]
    fn no_setting_names_a_file_a_command_a_plugin_or_a_url() {
        for setting in TABLE {
            for word in NEVER.split_whitespace() {
                assert!(!setting.name.contains(word), "{} has {word} in its name", setting.name);
            }
        }
    }

    #[test]
    fn settings_are_sorted_and_differ() {
        assert!(CLIENT_SETTINGS.is_sorted_by(|one, next| one < next));
        assert_eq!(properties().len(), TABLE.len());
    }
}
