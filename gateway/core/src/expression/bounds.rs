//! Bounds of an expression's text, checked before the parser sees it.

/// Longest expression, in bytes.
pub(crate) const MAX_EXPRESSION_BYTES: usize = 1024;

/// Deepest nesting of brackets.
const MAX_NESTING: usize = 8;

/// Checks length, nesting, balance of brackets and runs of prefix operators.
///
/// The parser (ANTLR, adaptive prediction) needed gigabytes for 125 bytes of `!!(!!!!!!(!!!!(((((!!(` repeated
/// (cel-rust#306): open brackets and prefix operators that are never closed. So brackets must be balanced and shallow,
/// and a prefix operator stands alone.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(format!("an expression has at most {MAX_EXPRESSION_BYTES} bytes, this one has {}", text.len()));
    }
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut prefixes = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        match byte {
            b'"' | b'\'' => {
                prefixes = 0;
                at = after_string(bytes, at - 1)?;
            }
            b'/' if bytes.get(at) == Some(&b'/') => {
                return Err("comments are not taken: the name beside it says what it is for".into());
            }
            b'(' | b'[' | b'{' => {
                prefixes = 0;
                open.push(byte);
                if open.len() > MAX_NESTING {
                    return Err(format!("brackets are nested deeper than {MAX_NESTING}"));
                }
            }
            b')' | b']' | b'}' => {
                prefixes = 0;
                let fits = match open.pop() {
                    Some(b'(') => byte == b')',
                    Some(b'[') => byte == b']',
                    Some(_) => byte == b'}',
                    None => false,
                };
                if !fits {
                    return Err(format!("the '{}' closes nothing", char::from(byte)));
                }
            }
            b'!' if bytes.get(at) == Some(&b'=') => {
                at += 1;
                prefixes = 0;
            }
            b'!' | b'-' => {
                prefixes += 1;
                if prefixes > 2 {
                    return Err("more than two '!' or '-' in a row".into());
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            0..=0x1f | 0x7f.. => return Err("outside of strings only printable ASCII is taken".into()),
            _ => prefixes = 0,
        }
    }
    if open.is_empty() { Ok(()) } else { Err("a bracket is not closed".into()) }
}

/// The index after the string that begins at `at`. Raw strings are read as if their backslashes escaped, and triple
/// quotes as empty strings beside each other; both are refused, so that this scan and the parser agree.
fn after_string(bytes: &[u8], at: usize) -> Result<usize, String> {
    let quote = bytes[at];
    if at > 0 && matches!(bytes[at - 1], b'r' | b'R' | b'b' | b'B') {
        return Err("raw strings and bytes are not taken".into());
    }
    if bytes[at..].starts_with(&[quote; 3]) {
        return Err("strings in triple quotes are not taken".into());
    }
    let mut at = at + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n' | b'\r') => return Err("a string is not closed".into()),
            Some(b'\\') => at += 2,
            Some(byte) if *byte == quote => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}
