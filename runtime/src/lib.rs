//! Duty-cycle agents, runners, idle strategies, clocks, timers and counters.
//!
//! An agent does a little work each time it is called and says how much. Who calls it, how often
//! and on which thread is decided here, once, for every agent. Nothing in this crate knows of
//! frames, of shared memory or of Aeron.
//!
//! This crate fulfils `docs/spec/10-runtime.md`, but for the link to the media driver.

pub mod agent;
pub mod clock;
pub mod composite;
pub mod counters;
pub mod duty_cycle;
pub mod errors;
pub mod idle;
pub mod invoker;
pub mod progress;
pub mod runner;
pub mod timers;

pub use agent::Agent;
pub use composite::CompositeAgent;
pub use errors::AgentError;
pub use idle::{IdleStrategy, Idler};
pub use invoker::{AgentInvoker, AgentState, InvokerContext};
pub use runner::{AgentExit, AgentRunner, RunnerConfig};
