//! The bearer token of the admin listener.

use subtle::ConstantTimeEq as _;

/// Shortest token, in bytes: 128 bits, if it is random.
pub const MIN_BYTES: usize = 16;
/// Longest token, in bytes.
pub const MAX_BYTES: usize = 256;

/// A secret that is compared in constant time, and never shown.
#[derive(Clone)]
pub struct Token {
    padded: [u8; MAX_BYTES],
    length: u64,
}

/// The text can't be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the admin token has {0} bytes, not {MIN_BYTES} to {MAX_BYTES}")]
pub struct TokenError(usize);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

fn pad(bytes: &[u8]) -> [u8; MAX_BYTES] {
    let mut padded = [0; MAX_BYTES];
    let length = bytes.len().min(MAX_BYTES);
    padded[..length].copy_from_slice(&bytes[..length]);
    padded
}

impl Token {
    /// Takes [`MIN_BYTES`] to [`MAX_BYTES`] bytes.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        match secret.len() {
            MIN_BYTES..=MAX_BYTES => Ok(Self { padded: pad(secret.as_bytes()), length: secret.len() as u64 }),
            other => Err(TokenError(other)),
        }
    }

    /// Whether `given` is this token. Takes the same time wherever they differ, and whatever the token's length is.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        let same_length = self.length.ct_eq(&(given.len() as u64));
        (same_length & self.padded.ct_eq(&pad(given))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_is_it() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for wrong in [&b"0123456789abcdeg"[..], b"", b"0123456789abcde", b"0123456789abcdef\0", &[b'0'; 300]] {
            assert!(!token.is(wrong));
        }
        let longest = Token::new(&"x".repeat(MAX_BYTES)).unwrap();
        assert!(longest.is("x".repeat(MAX_BYTES).as_bytes()));
        assert!(!longest.is("x".repeat(MAX_BYTES + 1).as_bytes()));
    }

    #[test]
    fn what_can_be_guessed_is_no_token_and_none_is_shown() {
        assert!(Token::new("short").is_err());
        assert!(Token::new(&"x".repeat(MAX_BYTES + 1)).is_err());
        assert!(!format!("{:?}", Token::new("0123456789abcdef").unwrap()).contains("0123"));
    }
}
