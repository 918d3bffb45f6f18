//! Configuration types.
