//! An error of a call to the API server, in words for people.

use std::error::Error;

/// What the API server said; or, when it said nothing, what kept it from it, to the last cause.
pub(crate) fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        // kube's own text has the whole answer, as Rust would write it.
        let said = [&status.message, &status.reason].into_iter().find(|text| !text.is_empty());
        return said.map_or_else(|| format!("the API server answered {}", status.code), |said| said.trim().to_owned());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let told = next.to_string();
        // Some tell their cause themselves.
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn the_api_servers_words_are_told_and_nothing_around_them() {
        let refused =
            |message: &str, reason: &str| kube::Error::Api(Status::failure(message, reason).with_code(403).boxed());
        assert_eq!(words(&refused("pods is forbidden", "Forbidden")), "pods is forbidden");
        assert_eq!(words(&refused("", "Forbidden")), "Forbidden");
        assert_eq!(words(&refused("", "")), "the API server answered 403");
        let cut = kube::Error::ReadEvents(std::io::Error::other("cut"));
        assert_eq!(words(&cut), "Error reading events stream: cut");
    }
}
