//! What the operator sees to in Kafka: consumer groups, their settings and offsets, topics.
