//! Runs tensorpool agents, and publishes and subscribes to frames, from the command line.

fn main() {}
