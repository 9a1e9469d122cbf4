//! Who plays: two streams, a producer each, five consumers of different kinds, and who serves them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::stage::{Interrupt, Process, Spec, Stage};

/// Small frames often, and large ones; the rings last for tens of milliseconds, so that somebody who
/// is held up loses frames.
const DRIVER_CONFIG: &str = r#"
[driver]
instance_id = "soak"

[shm]
base_dir = "@BASE@"
namespace = "soak"

[policies]
epoch_gc_keep = 1

[profiles.small]
header_nslots = 64
payload_pools = [{ pool_id = 1, stride_bytes = 65536 }]

[profiles.large]
header_nslots = 32
payload_pools = [{ pool_id = 1, stride_bytes = 1048576 }]

[streams.small]
stream_id = 10001
profile = "small"

[streams.large]
stream_id = 10002
profile = "large"
"#;

/// The supervisor is a process of its own, which outlives the driver.
const SUPERVISOR_CONFIG: &str = r#"
[supervisor]
per_consumer_enabled = true
per_consumer_descriptor_base = 31000
per_consumer_descriptor_range = 10
"#;

/// A producer or a consumer.
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) stream: u32,
    /// Beyond those that all have.
    pub(super) options: &'static [&'static str],
}

pub(super) const PRODUCERS: [Client; 2] = [
    Client {
        name: "producer 1",
        stream: 10_001,
        options: &["--size", "64KiB", "--pace", "2000", "--wait-consumers", "3"],
    },
    Client {
        name: "producer 2",
        stream: 10_002,
        options: &["--size", "640KiB", "--pace", "200", "--wait-consumers", "2"],
    },
];

pub(super) const CONSUMERS: [Client; 5] = [
    Client {
        name: "1 own stream",
        stream: 10_001,
        options: &["--own-stream"],
    },
    Client {
        name: "2 own stream",
        stream: 10_002,
        options: &["--own-stream"],
    },
    Client {
        name: "3 at 30 Hz",
        stream: 10_001,
        options: &["--max-rate", "30"],
    },
    Client {
        name: "4 header ring",
        stream: 10_001,
        options: &["--availability", "header-ring"],
    },
    Client {
        name: "5 slow, 50 Hz",
        stream: 10_002,
        options: &["--slow", "50"],
    },
];

/// A stage, and what its processes are started with.
pub(super) struct Scene {
    pub(super) stage: Stage,
    driver_config: PathBuf,
    pub(super) supervisor_config: PathBuf,
}

impl Scene {
    pub(super) fn create(program: &Path) -> Result<Self> {
        let stage = Stage::create("tp-soak-", program)?;
        let driver_config = stage.configure("driver.toml", DRIVER_CONFIG)?;
        let supervised = format!("{DRIVER_CONFIG}{SUPERVISOR_CONFIG}");
        let supervisor_config = stage.configure("supervisor.toml", &supervised)?;
        Ok(Self {
            stage,
            driver_config,
            supervisor_config,
        })
    }

    pub(super) fn start_driver(&self, name: &str, interrupt: &Interrupt) -> Result<Process> {
        self.stage
            .start_role("driver", name, &self.driver_config, interrupt)
    }

    /// `agent-runner publish`, until it is asked to end.
    pub(super) fn publisher(&self, client: &Client, name: &str) -> Spec {
        self.client(client, name, &["publish", "--pattern", "interop"])
    }

    /// `agent-runner subscribe`, which checks every byte, until its stream ends.
    pub(super) fn subscriber(&self, client: &Client) -> Spec {
        let name = format!("consumer {}", client.name);
        self.client(client, &name, &["subscribe", "--verify", "interop"])
    }

    fn client(&self, client: &Client, name: &str, command: &[&str]) -> Spec {
        let stream = client.stream.to_string();
        let common = ["--stream", &stream, "--attach-timeout", "60s", "--json"];
        let arguments = [command, client.options, &common[..]].concat();
        self.stage.command(name, &arguments)
    }
}

/// Everybody who runs.
pub(super) struct Cast {
    pub(super) media_driver: Process,
    pub(super) driver: Process,
    pub(super) supervisor: Process,
    pub(super) producers: Vec<Process>,
    pub(super) consumers: Vec<Process>,
}

impl Cast {
    pub(super) fn everybody(&mut self) -> impl Iterator<Item = &mut Process> {
        [
            &mut self.media_driver,
            &mut self.driver,
            &mut self.supervisor,
        ]
        .into_iter()
        .chain(&mut self.producers)
        .chain(&mut self.consumers)
    }

    pub(super) fn clients(&mut self) -> impl Iterator<Item = &mut Process> {
        self.producers.iter_mut().chain(&mut self.consumers)
    }
}
