//! Sans-IO cores: every protocol decision, no clock, no I/O, no unsafe.
//!
//! A core is a plain struct that is told the time and decoded messages, and answers with owned actions that its
//! agent carries out. Nothing here reads a clock, opens a file or knows about Aeron.
//!
//! Module by module, this crate decides what `docs/spec/40-driver.md` ([`driver`]),
//! `docs/spec/45-supervisor.md` ([`supervisor`]) and
//! `docs/spec/50-client.md` ([`client`], [`frame`]) require; the crate `tensorpool` carries it out.
#![forbid(unsafe_code)]

pub mod client;
pub mod common;
pub mod driver;
pub mod frame;
pub mod supervisor;
