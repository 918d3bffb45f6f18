//! Kafka as the operator sees to it, with replicas that run on a real node: groups, topics, pauses, offset resets.

mod consumption {
    mod lab;
    mod resets;
}
