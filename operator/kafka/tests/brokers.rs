//! What the operator does to a real broker, and what a real gateway makes of it.

mod brokers {
    mod groups;
    mod lab;
    mod reach;
    mod replay;
    mod reset;
    mod settings;
    mod topics;
}
