//! Consumers that watch the header ring, with real clients, a real driver and a real media driver.

#[path = "../support/mod.rs"]
mod support;

mod frames;
mod harness;
mod lifecycle;
mod pacing;
mod rate;
