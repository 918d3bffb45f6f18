//! What `dev` prints at its start.

use std::fmt;

/// Says where everything is, how to try it, and what this is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner<'a> {
    /// The public listener: `http://127.0.0.1:8080`, no `/` at the end.
    pub url: &'a str,
    /// What the subscribe endpoint's path begins with: `/api/v1`, or empty.
    pub path_prefix: &'a str,
    /// The admin listener, as `url`.
    pub admin_url: &'a str,
    /// Kafka's address.
    pub kafka: &'a str,
    /// The topic that events are read from.
    pub topic: &'a str,
}

/// An event to try out with, as it is published and produced.
const EVENT: &str = r#"{"channels":["user:42"],"type":"greeting","data":{"text":"hello"}}"#;

/// A command that publishes one event over HTTP.
#[must_use]
pub fn publish_example(url: &str, path_prefix: &str) -> String {
    format!("curl '{url}{path_prefix}/events' -H 'Content-Type: application/json' -d '{EVENT}'")
}

/// A command that produces one event with kcat.
#[must_use]
pub fn kcat_example(kafka: &str, topic: &str) -> String {
    format!("echo '{EVENT}' | kcat -P -b {kafka} -t {topic}")
}

/// A command that follows a channel.
#[must_use]
pub fn curl_example(url: &str, path_prefix: &str) -> String {
    format!("curl -N '{url}{path_prefix}/events?channels=user:42'")
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, path_prefix, admin_url, kafka, topic } = self;
        write!(
            f,
            "\n  Events Gateway {version} for trying out\n\n  \
             Watch      {url}/\n  \
             Kafka      {kafka}   topic {topic}\n  \
             Metrics    {admin_url}/metrics\n\n  \
             Follow one user:\n    {curl}\n  \
             Publish an event, or produce one with any Kafka client:\n    {publish}\n    {kcat}\n\n  \
             This is not for production: Kafka is a stand-in inside this process, without topic administration;\n  \
             events are kept in memory and are gone when it ends; nothing but this machine can reach it.\n  \
             Ctrl-C ends it.\n",
            version = env!("CARGO_PKG_VERSION"),
            curl = curl_example(url, path_prefix),
            publish = publish_example(url, path_prefix),
            kcat = kcat_example(kafka, topic),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_every_address_and_its_examples_are_envelopes() {
        let banner = Banner {
            url: "http://127.0.0.1:8080",
            path_prefix: "/api/v1",
            admin_url: "http://127.0.0.1:9090",
            kafka: "127.0.0.1:40001",
            topic: "events",
        }
        .to_string();
        for expected in [
            "http://127.0.0.1:8080/\n",
            "127.0.0.1:40001 ",
            "curl -N 'http://127.0.0.1:8080/api/v1/events?channels=user:42'\n",
            "curl 'http://127.0.0.1:8080/api/v1/events' -H 'Content-Type: application/json' -d '{\"channels\"",
            "| kcat -P -b 127.0.0.1:40001 -t events\n",
            "not for production",
        ] {
            assert!(banner.contains(expected), "{expected} in {banner}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(EVENT).unwrap().is_object());
    }
}
