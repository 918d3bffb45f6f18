//! Secrets: where they come from, and their text, which nothing shows.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use events_gateway_crds as raw;

use super::overrides::Environment;
use super::problem::{Place, Problems};

/// Largest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 << 10;

/// Where a secret comes from. Files are read each time, so that a rotated secret is found by the next connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A file; one line end at its end doesn't count.
    File(PathBuf),
    /// An environment variable, as it was at the start.
    Variable {
        /// Its name.
        name: String,
        /// What it held; `None` if it wasn't set.
        text: Option<SecretText>,
    },
    /// The configuration itself.
    Inline(SecretText),
}

/// The text of a secret. Shown as `[redacted]` by `Debug`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that must send or compare it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(raw::secret::REDACTED)
    }
}

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("failed to read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than [`MAX_SECRET_BYTES`] or not UTF-8.
    #[error("{0} is no UTF-8 text of at most {MAX_SECRET_BYTES} bytes")]
    Form(PathBuf),
    /// The variable isn't set.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// There is nothing in it.
    #[error("the secret is empty")]
    Empty,
}

impl Secret {
    /// Fetches the secret; never empty. Blocks on the file system where it comes from a file.
    pub fn read(&self) -> Result<SecretText, SecretError> {
        let text = match self {
            Self::Inline(text) => text.clone(),
            Self::Variable { name, text } => text.clone().ok_or_else(|| SecretError::NotSet(name.clone()))?,
            Self::File(path) => SecretText(read(path)?),
        };
        if text.0.is_empty() { Err(SecretError::Empty) } else { Ok(text) }
    }

    /// Exactly one source.
    pub(super) fn prove(
        raw: &raw::Secret,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        match (&raw.file, &raw.env, &raw.value) {
            (Some(path), None, None) => Some(Self::File(PathBuf::from(&**path))),
            (None, Some(name), None) => {
                let text = environment.get(&**name).cloned().map(SecretText);
                Some(Self::Variable { name: name.0.clone(), text })
            }
            (None, None, Some(value)) => Some(Self::Inline(SecretText(value.clone()))),
            (None, None, None) => {
                problems.add(place.clone(), "names no source: file, env or value");
                None
            }
            _ => {
                problems.add(place.clone(), "names several sources: one of file, env and value");
                None
            }
        }
    }

    /// As [`Secret::prove`]; absent stays absent, the outer `None` says that something is wrong.
    pub(super) fn prove_option(
        raw: Option<&raw::Secret>,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Option<Self>> {
        raw.map_or(Some(None), |raw| Self::prove(raw, environment, place, problems).map(Some))
    }
}

fn read(path: &PathBuf) -> Result<String, SecretError> {
    let failed = |source| SecretError::Read { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(SecretError::Form(path.clone()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| SecretError::Form(path.clone()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_last_line_end_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let secret = Secret::File(path.clone());
        assert!(matches!(secret.read(), Err(SecretError::Read { .. })));
        std::fs::write(&path, "one \r\n").unwrap();
        assert_eq!(secret.read().unwrap().expose(), "one ");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(secret.read().unwrap().expose(), "two");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(secret.read(), Err(SecretError::Empty)));
        std::fs::write(&path, "x".repeat(MAX_SECRET_BYTES + 1)).unwrap();
        assert!(matches!(secret.read(), Err(SecretError::Form(_))));
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = SecretText::new("hunter2".into());
        let variable = Secret::Variable { name: "PASSWORD".into(), text: Some(text.clone()) };
        assert!(!format!("{variable:?} {:?}", Secret::Inline(text)).contains("hunter2"));
    }
}
