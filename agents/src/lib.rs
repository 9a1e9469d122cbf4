//! Moves large tensors between processes at memory speed: agents, client conductor and client API.

pub mod driver;
