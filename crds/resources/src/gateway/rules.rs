//! Rules that join several sections.

use events_gateway_crds::rule::{Rule, rule};

/// Longest name of a resource: pods add 17 characters to it, and what is made of it must fit into a label's 63.
pub const MAX_NAME: usize = 45;

/// On the object as a whole.
pub(crate) const OBJECT: &[Rule] = &[
    rule("size(self.metadata.name) <= 45", "metadata.name has at most 45 characters: names of pods are made of it"),
    rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name begins with a letter and has small letters, digits and '-' only: a Service is named after it",
    ),
];

/// On the spec.
pub(super) const SPEC: &[Rule] = &[
    rule(
        "self.listen.port >= 1024 && self.admin.port >= 1024",
        "listen.port and admin.port must be 1024 or higher: the pods have no privileges, and probes and Services need to know them",
    ),
    rule(
        "self.listen.port != self.admin.port",
        "admin.port is the public listener's port: the admin listener needs one of its own",
    ),
    rule(
        "!has(self.replica.name) && !has(self.replica.address)",
        "replica.name and replica.address can't be set here: each pod has its own",
    ),
    rule(
        "duration(self.drain.timeout) <= duration('9m')",
        "drain.timeout must be at most 9m: cluster autoscalers cut grace periods above 10 minutes",
    ),
    rule(
        "self.streams.maxPendingBytes >= self.kafka.maxRecordBytes",
        "streams.maxPendingBytes must be at least kafka.maxRecordBytes",
    ),
    rule("self.limits.streams <= self.listen.maxConnections", "limits.streams must be at most listen.maxConnections"),
    rule(
        "!has(self.channels.defaults) || size(self.channels.defaults) <= self.streams.maxChannels",
        "channels.defaults has more channels than streams.maxChannels",
    ),
    rule(
        "self.kafka.bindings.all(b, !has(b.route) || (has(self.routes) && self.routes.exists(r, r.name == b.route)))",
        "a binding's route names no route: add it to routes, or take it out of the binding",
    ),
    rule(
        "!has(self.publish) || self.kafka.bindings.exists(b, self.publish.topic in b.topics && b.kind == 'events' && !has(b.route))",
        "publish.topic must be a topic that a binding reads as events, without a route: add it to one, or nothing is delivered",
    ),
    rule(
        "!has(self.identity) || !has(self.identity.revocation) || !self.kafka.bindings.exists(b, self.identity.revocation.topic in b.topics)",
        "identity.revocation.topic must not be a topic that a binding reads: give revocations a topic of their own",
    ),
    rule(
        "!has(self.identity) || !has(self.identity.revocation) || !has(self.kafka.deadLetters) || self.identity.revocation.topic != self.kafka.deadLetters.topic",
        "identity.revocation.topic must not be the topic of dead letters: give revocations a topic of their own",
    ),
    rule(
        "self.redis.mode != 'memory' || (self.replicas <= 1 && self.autoscaling.type == 'None')",
        "redis.mode memory is for one replica: set replicas to 1 and autoscaling.type to None, or name a Redis",
    ),
];
