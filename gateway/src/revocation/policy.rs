//! Whether the topic keeps what stands in it.

use std::collections::BTreeMap;
use std::time::Duration;

/// What is wrong with a topic's settings, if anything is, where revocations are to be kept for so long.
pub(super) fn judge(settings: &BTreeMap<String, String>, retention: Duration) -> Result<(), String> {
    // What isn't told isn't judged.
    let Some(policy) = settings.get("cleanup.policy") else { return Ok(()) };
    let has = |wanted: &str| policy.split(',').any(|part| part.trim() == wanted);
    if !has("compact") {
        return Err(format!("cleanup.policy is {policy}: set it to compact, or to compact,delete"));
    }
    let kept: Option<i128> = settings.get("retention.ms").and_then(|text| text.parse().ok());
    match kept {
        // -1: for ever.
        Some(kept) if has("delete") && kept >= 0 && kept < retention.as_millis() as i128 => {
            Err(format!("retention.ms is {kept}: less than identity.revocation.retention, {}", retention.as_millis()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_compacted_and_keeps_what_is_in_force_is_right() {
        let hour = Duration::from_secs(3_600);
        for (policy, kept, is_right) in [
            (Some("compact"), Some("1"), true),
            (Some("compact,delete"), Some("3600000"), true),
            (Some("delete,compact"), Some("-1"), true),
            (Some("compact, delete"), None, true),
            (None, None, true),
            (Some("delete"), Some("-1"), false),
            (Some("compact,delete"), Some("3599999"), false),
        ] {
            let settings = [("cleanup.policy", policy), ("retention.ms", kept)];
            let told = settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
            assert_eq!(judge(&told.collect(), hour).is_ok(), is_right, "{policy:?} {kept:?}");
        }
    }
}
