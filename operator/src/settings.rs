//! How the operator was started.

use std::net::SocketAddr;

/// How the operator was started.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Namespaces that it looks after, separated by commas; none: the whole cluster.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_NAMESPACES", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) namespaces: Vec<String>,
    /// The image of gateways whose resource names none. It is pinned in their status when they are created.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_GATEWAY_IMAGE", default_value = "", value_name = "IMAGE")]
    pub(crate) gateway_image: String,
    /// How many gateways with `image.updates: Automatic` may move to another image at a time.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_IMAGE_UPDATES", default_value_t = 1, value_name = "NUMBER")]
    pub(crate) image_updates: usize,
    /// Where /live, /ready and /metrics are served.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_ADMIN_ADDRESS", default_value = "0.0.0.0:8081", value_name = "IP:PORT")]
    pub(crate) admin_address: SocketAddr,
    /// Whether only one of several operators acts at a time.
    #[arg(
        long,
        env = "EVENTS_GATEWAY_OPERATOR_LEADER_ELECTION",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOLEAN"
    )]
    pub(crate) leader_election: bool,
    /// Whether the operator talks to the brokers itself: groups and lag in the status, settings, topics, offset resets.
    /// Without, only the replicas do, and what they say is what is told.
    #[arg(
        long,
        env = "EVENTS_GATEWAY_OPERATOR_KAFKA",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOLEAN"
    )]
    pub(crate) kafka: bool,
    /// The Lease by which they agree.
    #[arg(
        long,
        env = "EVENTS_GATEWAY_OPERATOR_LEASE_NAME",
        default_value = "events-gateway-operator",
        value_name = "NAME"
    )]
    pub(crate) lease_name: String,
    /// The namespace that the operator runs in: the Lease is there.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    pub(crate) lease_namespace: String,
    /// Who this operator is among several. Without it a random name is taken.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// The form of log lines.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_LOG_FORMAT", default_value = "json")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter such as info,kube=debug.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_LOG_LEVEL", default_value = "info", value_name = "FILTER")]
    pub(crate) log_level: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
