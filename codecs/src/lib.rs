//! SBE flyweights, schema gate and plain types of the tensor pool protocol.
#![forbid(unsafe_code)]

pub mod types;
