//! Duty-cycle agents, runners, idle strategies, clocks, timers and counters.
//!
//! An agent does a little work each time it is called and says how much. Who calls it, how often and on
//! which thread is decided here, once, for every agent. Nothing in this crate knows of frames, of shared
//! memory or of Aeron.

pub mod clock;
pub mod counters;
pub mod errors;
