//! The operator's judgement, pure: what is wrong with a resource, what is to be built for it, which replicas drain.

pub mod scaling;
