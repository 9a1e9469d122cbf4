//! What the demo plays: a stage, and the commands that are run on it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Phase;
use crate::stage::{Spec, Stage};

/// The stream all take part in.
const STREAM: &str = "10000";

/// Size of a frame: a 640 x 512 image of 16 bits.
const FRAME: &str = "640KiB";

/// 16 slots of one frame each are 16 MiB (strides are powers of two); an epoch before and one after fit
/// the budget together.
const DRIVER_CONFIG: &str = r#"
[driver]
instance_id = "demo"

[shm]
base_dir = "@BASE@"
namespace = "demo"

[policies]
epoch_gc_keep = 1

[profiles.demo]
header_nslots = 16
payload_pools = [{ pool_id = 1, stride_bytes = 1048576 }]

[streams.demo]
stream_id = 10000
profile = "demo"
"#;

/// The demo's stage.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) config: PathBuf,
}

impl Scene {
    pub(super) fn create(program: &Path) -> Result<Self> {
        let stage = Stage::create("tp-demo-", program)?;
        let config = stage.configure("driver.toml", DRIVER_CONFIG)?;
        Ok(Self { stage, config })
    }

    /// `agent-runner publish`, which waits for `consumers`.
    pub(super) fn publisher(&self, phase: &Phase, consumers: usize) -> Spec {
        let (name, wait) = (format!("producer, {}", phase.name), consumers.to_string());
        let pattern = [
            "publish",
            "--stream",
            STREAM,
            "--pattern",
            "interop",
            "--size",
            FRAME,
        ];
        let pace = [
            "--pace",
            phase.pace,
            "--duration",
            phase.duration,
            "--wait-consumers",
            &wait,
        ];
        let json = ["--attach-timeout", "20s", "--json"];
        self.stage
            .command(&name, &[&pattern[..], &pace[..], &json[..]].concat())
    }

    /// `agent-runner subscribe`, which checks every byte.
    pub(super) fn subscriber(&self, phase: &Phase, number: usize) -> Spec {
        let name = format!("consumer {number}, {}", phase.name);
        let verify = ["subscribe", "--stream", STREAM, "--verify", "interop"];
        let json = ["--attach-timeout", "20s", "--json"];
        self.stage
            .command(&name, &[&verify[..], &json[..]].concat())
    }
}
