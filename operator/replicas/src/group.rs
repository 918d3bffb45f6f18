//! A consumer group's name in a query.

use std::fmt::Write as _;

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(crate) fn encode(group: &str) -> String {
    let mut encoded = String::with_capacity(group.len());
    for byte in group.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #[test]
    fn whatever_a_group_is_called_stays_one_value() {
        for (group, encoded) in [
            ("orders-v1.a_b~", "orders-v1.a_b~"),
            ("a b&c=d#?/%", "a%20b%26c%3Dd%23%3F%2F%25"),
            ("ö", "%C3%B6"),
            ("", ""),
        ] {
            assert_eq!(super::encode(group), encoded);
        }
    }
}
