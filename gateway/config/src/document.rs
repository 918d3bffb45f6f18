//! From the text of a file to one bounded tree of values.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Number, Value};

/// Largest configuration file, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Why a file is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file can't be read.
    #[error("failed to read the file: {0}")]
    Read(#[source] std::io::Error),
    /// It is larger than [`MAX_FILE_BYTES`].
    #[error("a configuration file has at most {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// It isn't UTF-8.
    #[error("not UTF-8 text (byte {0})")]
    Encoding(usize),
    /// It isn't YAML, repeats a key, or goes beyond the bounds on depth, size and aliases.
    #[error("line {line}, column {column}: {problem}")]
    Yaml {
        /// From 1; 0 where the parser names none.
        line: u64,
        /// From 1; 0 where the parser names none.
        column: u64,
        /// The parser's words.
        problem: String,
    },
    /// It holds a list or a single value.
    #[error("expected keys and values, such as 'kafka:'")]
    NotASection,
}

/// Reads a file, not more than its bound.
pub fn read(path: &Path) -> Result<String, DocumentError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(DocumentError::Read)?;
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(DocumentError::Read)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(DocumentError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| DocumentError::Encoding(error.utf8_error().valid_up_to()))
}

/// Parses YAML 1.2 into an object. An empty file is an empty object. Repeated keys, custom tags, several documents and
/// more than a handful of aliases are refused.
pub fn parse(text: &str) -> Result<Value, DocumentError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(DocumentError::TooLarge);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 200_000,
            max_nodes: 50_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_aliases: 100,
            max_anchors: 100,
            max_merge_keys: 100,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: MAX_FILE_BYTES,
            max_total_scalar_bytes: MAX_FILE_BYTES,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
        // 'no' and 'on' are texts: only true and false are booleans.
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(mut value @ Value::Object(_)) => {
            whole_numbers(&mut value);
            Ok(value)
        }
        Ok(_) => Err(DocumentError::NotASection),
        Err(error) => {
            let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
            let problem = error.without_snippet().to_string();
            // Its own words go on with the place, which stands in front already, and with advice to programmers.
            let cut = |text: &str, mark: &str| text.split(mark).next().unwrap_or_default().to_owned();
            let problem = cut(&cut(&problem, " at line "), ", set DuplicateKeyPolicy");
            Err(DocumentError::Yaml { line, column, problem })
        }
    }
}

/// Writes `8080.0` as 8080: JSON Schema takes both for an integer, the types only the second.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() < 9e15
            {
                // Whole and below 2^53: exact.
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_repeated_key_is_refused_where_it_stands() {
        let problem = refused("listen:\n  port: 1\n  port: 2\n");
        assert_eq!(problem, "line 3, column 3: duplicate mapping key: port");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let begun = std::time::Instant::now();
        refused(&text);
        assert!(begun.elapsed().as_secs() < 5, "it is refused before it is expanded");
    }

    #[test]
    fn depth_size_tags_and_further_documents_are_refused() {
        refused(&format!("a: {}{}", "[".repeat(100), "]".repeat(100)));
        refused(&format!("a: {}{}", "{a: ".repeat(100), "}".repeat(100)));
        refused(&format!("a: {}", "x".repeat(MAX_FILE_BYTES)));
        refused("a: !!python/object:os.system x");
        refused("a: 1\n---\nb: 2\n");
        refused("a: b: c");
        assert!(matches!(parse("- a"), Err(DocumentError::NotASection)));
        assert!(matches!(parse("a"), Err(DocumentError::NotASection)));
    }

    #[test]
    fn an_empty_file_is_an_empty_section() {
        assert_eq!(parse("").unwrap(), json!({}));
        assert_eq!(parse("# nothing yet\n").unwrap(), json!({}));
    }

    #[test]
    fn only_true_and_false_are_booleans_and_whole_numbers_are_integers() {
        assert_eq!(parse("{a: no, b: true, c: 8080.0, d: 1.5}").unwrap(), json!({"a":"no","b":true,"c":8080,"d":1.5}));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[ -~\n\t{}\\[\\]:&*!|>'\"#-]{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_unicode_is_parsed_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
