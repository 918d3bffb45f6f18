//! What is written reads back, and what is accepted is exactly what is written.
#![no_main]

use events_gateway_core::cursor::{ChannelSet, MAX_CURSOR_BYTES, Mark};
use events_gateway_core::{Channel, Position, Timestamp};
use libfuzzer_sys::fuzz_target;

fn set(channels: usize) -> ChannelSet {
    let channels = (0..channels).map(|number| Channel::parse(&format!("user:{number}")).expect("a channel"));
    ChannelSet::new(channels).expect("one to twelve")
}

fuzz_target!(|input: (&str, Vec<(bool, u64)>)| {
    let (text, numbers) = input;
    for channels in 1..=3 {
        if let Ok(marks) = set(channels).parse(text) {
            assert_eq!(set(channels).cursor(&marks), text);
        }
    }
    // Positions and times stay below 2^53, and those of this century below 2^48.
    let marks: Vec<Mark> = numbers
        .into_iter()
        .take(12)
        .map(
            |(since, number)| {
                if since { Mark::Since(Timestamp(number >> 16)) } else { Mark::At(Position(number >> 16)) }
            },
        )
        .collect();
    if !marks.is_empty() {
        let written = set(marks.len()).cursor(&marks);
        assert!(written.len() <= MAX_CURSOR_BYTES);
        assert_eq!(set(marks.len()).parse(&written).as_deref(), Ok(&marks[..]));
    }
});
