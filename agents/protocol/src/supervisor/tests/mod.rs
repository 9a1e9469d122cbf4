//! The supervisor with a clock that is an integer.

mod answers;
mod events;
mod figures;
mod ids;
mod liveness;
mod random;
mod requests;
mod support;
