//! What differs between the configuration in a file and the same sections in a resource: how secrets and files are named.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::secret::Secret;
use crate::text::FilePath;

/// A form that configuration is written in. All sections are the same types in every form; only these leaves differ.
pub trait Form: Debug + Clone + PartialEq + Default + 'static {
    /// Where one secret text comes from.
    type Secret: Part;
    /// Where a PEM file comes from.
    type File: Part;
    /// Where a PEM file that holds nothing secret comes from: authorities to trust.
    type Authorities: Part;
}

/// Says what the leaves of one form are in another. Sections are rewritten by their own `translate`, so that a leaf that is
/// added and not translated doesn't compile.
pub trait Translate<From: Form, To: Form> {
    /// A secret text.
    fn secret(&mut self, secret: &From::Secret) -> To::Secret;
    /// A PEM file.
    fn file(&mut self, file: &From::File) -> To::File;
    /// Authorities to trust.
    fn authorities(&mut self, authorities: &From::Authorities) -> To::Authorities;
}

/// What a leaf of the configuration can do.
pub trait Part: Debug + Clone + PartialEq + Serialize + DeserializeOwned + JsonSchema + 'static {}

impl<T: Debug + Clone + PartialEq + Serialize + DeserializeOwned + JsonSchema + 'static> Part for T {}

/// A configuration file: secrets come from files and variables, files from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnDisk;

impl Form for OnDisk {
    type Secret = Secret;
    type File = FilePath;
    type Authorities = FilePath;
}
