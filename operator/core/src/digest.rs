//! Digests that tell whether something changed. They protect against nobody: what is secret never goes into one.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// The digest of some texts, 32 hexadecimal digits, the same in every release.
#[must_use]
pub fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = SipHasher13::new();
    for text in texts {
        // With its length before it: no two lists of texts read the same.
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    }
    format!("{:032x}", hasher.finish128().as_u128())
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn digests_stay_what_they_are_from_release_to_release() {
        assert_eq!(digest(["a", "b"]), digest(["a", "b"]));
        assert_eq!(digest(["configuration"]), "f38f2e107dd33b7b932c53a2ed52d745");
    }

    #[test]
    fn the_borders_between_texts_count() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_ne!(digest(["ab"]), digest(["ab", ""]));
    }
}
