//! What every agent with a link does beside its work: keep faults for its runner, tell whoever
//! observes it, and say once whether it can work. Nothing here knows a protocol.

mod faults;
mod observers;
mod readiness;

pub(crate) use faults::Faults;
pub(crate) use observers::Observers;
pub(crate) use readiness::{Readiness, Standing};
