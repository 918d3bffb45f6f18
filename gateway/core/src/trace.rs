//! The W3C trace context that a record carries, so that its delivery is a span of the publisher's trace.
//!
//! <https://www.w3.org/TR/trace-context/>, section 3.2. Only read, never trusted for a decision.

use std::fmt;

use crate::record::Record;

/// A parsed `traceparent`. Displayed as version 00, in which it can be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The publisher's span; never 0.
    pub parent_id: u64,
    /// The trace flags; bit 0 says that the trace is sampled.
    pub flags: u8,
}

impl TraceContext {
    /// Parses a `traceparent`. `None` for what the specification calls invalid: wrong lengths, upper case, ids of
    /// zeros, version ff, or more than four fields in version 00. Later versions are read by their first four fields.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (version, rest) = (field(bytes, 0, 2)?, bytes.get(55..)?);
        let well_ended = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
        if version == 0xff || !well_ended || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
            return None;
        }
        let (trace_id, parent_id, flags) = (field(bytes, 3, 35)?, field(bytes, 36, 52)?, field(bytes, 53, 55)?);
        (trace_id != 0 && parent_id != 0).then_some(Self {
            trace_id,
            parent_id: u64::try_from(parent_id).ok()?,
            flags: u8::try_from(flags).ok()?,
        })
    }

    /// The record's `traceparent` header, else the CloudEvents extension of that name (`ce_traceparent`).
    #[must_use]
    pub fn of(record: &Record<'_>) -> Option<Self> {
        ["traceparent", "ce_traceparent"]
            .into_iter()
            .filter_map(|name| record.header(name))
            .find_map(|value| Self::parse(std::str::from_utf8(value).ok()?))
    }

    /// Whether the publisher says that the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// Lower-case hexadecimal digits as a number.
fn field(bytes: &[u8], from: usize, to: usize) -> Option<u128> {
    bytes.get(from..to)?.iter().try_fold(0, |sum: u128, byte| match byte {
        b'0'..=b'9' => Some(sum << 4 | u128::from(byte - b'0')),
        b'a'..=b'f' => Some(sum << 4 | u128::from(byte - b'a' + 10)),
        _ => None,
    })
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read() {
        let context = TraceContext::parse(GOOD).unwrap();
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.parent_id, 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled());
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(TraceContext::parse(&format!("01{}-what-may-come", &GOOD[2..])), Some(context));
    }

    #[test]
    fn what_the_specification_calls_invalid_is_none() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-00"),
            &format!("01{}x", &GOOD[2..]),
            &format!("ff{}", &GOOD[2..]),
            &GOOD.to_uppercase(),
            &GOOD.replace("-00f067aa0ba902b7-", "-0000000000000000-"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &GOOD.replace('-', "_"),
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            let _ = TraceContext::parse(&text);
        }

        #[test]
        fn a_context_reads_back_as_written(trace_id in 1u128.., parent_id in 1u64.., flags: u8) {
            let context = TraceContext { trace_id, parent_id, flags };
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
        }
    }
}
