//! Times as publishers write them: RFC 3339 or milliseconds since 1970.

use crate::Timestamp;

/// The last millisecond of the year 9999: beyond it RFC 3339 has no text.
const LAST: u64 = 253_402_300_799_999;

/// What is expected of a time, for messages.
pub(crate) const EXPECTED: &str = "RFC 3339 with an offset, or whole milliseconds, from 1970 to 9999";

/// Reads RFC 3339 (`2026-11-21T09:00:00.25+01:00`), or decimal milliseconds since 1970; `None` for anything else.
/// Fractions beyond the millisecond are cut; a leap second is the first of the next minute.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return millis(text);
    }
    rfc3339(text)
}

/// Reads decimal milliseconds since 1970.
pub(crate) fn millis(text: &str) -> Option<Timestamp> {
    let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|millis| digits && *millis <= LAST).map(Timestamp)
}

/// Reads RFC 3339, section 5.6.
pub(crate) fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days_of_month = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last_day = usize::try_from(month - 1).ok().and_then(|month| days_of_month.get(month).copied())?;
    if !(1..=last_day).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }

    let mut at = 19;
    let mut fraction = 0;
    if is(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..3 {
            let digit = if place < digits { i64::from(bytes[at + 1 + place] - b'0') } else { 0 };
            fraction = fraction * 10 + digit;
        }
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };

    // Days since 1970-01-01 in the proleptic Gregorian calendar, counted from March so that the leap day comes last.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted_year + shifted_year.div_euclid(4) - shifted_year.div_euclid(100)
        + shifted_year.div_euclid(400)
        + (153 * shifted_month + 2) / 5
        + day
        - 1
        - 719_468;
    let millis = (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + fraction;
    u64::try_from(millis).ok().filter(|millis| *millis <= LAST).map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T09:00:00Z", 1_795_251_600_000),
            ("2026-11-21t10:00:00.25+01:00", 1_795_251_600_250),
            ("2026-11-21T05:30:00.1239-03:30", 1_795_251_600_123),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("9999-12-31T23:59:59.999Z", LAST),
            ("1795251600000", 1_795_251_600_000),
        ] {
            assert_eq!(parse_time(text), Some(Timestamp(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2026-11-21",
            "2026-11-21T09:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T09:00:00.Z",
            "2026-11-21T09:00:00+1:00",
            "2026-11-21T09:00:00+0100",
            "2026-11-21T09:00:00Zx",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-01:00",
            "-1",
            "1e3",
            "1.5",
            "253402300800000",
            "99999999999999999999",
            "2026-11-21T09:00:0é",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
