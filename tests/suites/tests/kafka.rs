//! The gateway on a real Kafka broker: protocols, rights, offsets, dead letters, handing over.

mod kafka {
    mod dead_letters;
    mod handing_over;
    mod lab;
    mod offsets;
    mod protocol;
    mod rate;
    mod security;
    mod starts;
}
