//! "Did you mean …?"

/// The candidate that is nearest to a misspelt word, if one is near enough to be meant.
pub(super) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // Words from a file may be long; what is this long is no slip of a known key.
    if word.len() > 64 {
        return None;
    }
    candidates
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["bootstrap", "bindings", "security", "port"];
        assert_eq!(closest("bootstap", known.into_iter()), Some("bootstrap"));
        assert_eq!(closest("Binding", known.into_iter()), Some("bindings"));
        assert_eq!(closest("prot", known.into_iter()), None, "two of four letters differ");
        assert_eq!(closest("colour", known.into_iter()), None);
    }
}
