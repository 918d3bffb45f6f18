//! Any text is a channel or refused, and two values never give one segment.
#![no_main]

use events_gateway_core::Channel;
use events_gateway_core::channel::escape_segment;
use events_gateway_core::pattern::ChannelPattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (one, other) = input;
    if let Ok(channel) = Channel::parse(one) {
        assert_eq!(channel.as_str(), one);
        assert!(one.parse::<ChannelPattern>().expect("a channel is a pattern").matches(&channel));
    }
    let _ = other.parse::<ChannelPattern>();
    if let (Ok(first), Ok(second)) = (escape_segment(one), escape_segment(other)) {
        assert_eq!(one == other, first == second);
        assert!(!first.contains(':'));
    }
});
