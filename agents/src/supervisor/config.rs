//! Configuration of the supervisor as plain data.

use std::path::PathBuf;

use tensorpool_protocol::supervisor::CoreConfig;

use crate::driver::Endpoint;

/// Everything a supervisor can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorConfig {
    /// A name for logs, counters and the media driver.
    pub instance_id: String,
    /// The media driver's directory.
    pub aeron_dir: PathBuf,
    /// Hellos, their answers, and the ends of leases.
    pub control: Endpoint,
    /// Announces of streams.
    pub announce: Endpoint,
    /// Reports of producers and consumers.
    pub qos: Endpoint,
    /// What streams are called.
    pub metadata: Endpoint,
    /// What consumers are told, and how many there may be.
    pub core: CoreConfig,
}

impl Default for SupervisorConfig {
    /// The well-known streams (1000, 1001, 1200 and 1300 over IPC); answers everybody, hands out no
    /// streams.
    fn default() -> Self {
        Self {
            instance_id: "supervisor-01".into(),
            aeron_dir: tensorpool_transport::default_dir(),
            control: Endpoint::ipc(1000),
            announce: Endpoint::ipc(1001),
            qos: Endpoint::ipc(1200),
            metadata: Endpoint::ipc(1300),
            core: CoreConfig::default(),
        }
    }
}

impl SupervisorConfig {
    /// The endpoints it listens to, each once: small deployments put several on one stream.
    pub(super) fn sources(&self) -> Vec<&Endpoint> {
        let mut sources: Vec<&Endpoint> = Vec::with_capacity(4);
        for endpoint in [&self.control, &self.announce, &self.qos, &self.metadata] {
            if !sources.contains(&endpoint) {
                sources.push(endpoint);
            }
        }
        sources
    }

    /// Nanoseconds between two cycles from which on the supervisor takes itself for having been
    /// stopped.
    pub(super) fn stall_threshold_ns(&self) -> u64 {
        (self.core.consumer_stale_ns / 8).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_are_one_are_listened_to_once() {
        let mut config = SupervisorConfig::default();
        assert_eq!(config.sources().len(), 4);
        config.announce = config.control.clone();
        config.qos = config.control.clone();
        let ids: Vec<i32> = config.sources().iter().map(|one| one.stream_id).collect();
        assert_eq!(ids, [1000, 1300]);
    }
}
