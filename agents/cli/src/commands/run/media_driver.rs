//! The role `media-driver`: Aeron's media driver on threads of its own, in this process.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use tensorpool::runtime::IdleStrategy;
use tensorpool::transport::default_dir;
use tensorpool::transport::media_driver::{
    DriverIdle, DriverThreading, EmbeddedMediaDriver, MediaDriverConfig,
};

use crate::args::{Role, RunArgs, Threading};
use crate::config::DriverSettings;
use crate::report::Reporter;

/// Starts it and says so.
///
/// # Errors
/// When its directory is taken, or a core does not exist.
pub(super) fn start(
    args: &RunArgs,
    settings: &DriverSettings,
    report: &Reporter,
) -> anyhow::Result<EmbeddedMediaDriver> {
    let dir = settings
        .driver
        .aeron_dir
        .clone()
        .unwrap_or_else(default_dir);
    let cores = cores(args)?;
    let config = MediaDriverConfig {
        threading: match args.threading {
            Threading::Shared => DriverThreading::Shared,
            Threading::Dedicated => DriverThreading::Dedicated,
        },
        idle: idle(args.idle.unwrap_or_default()),
        conductor_cpu: cores.first().copied(),
        sender_cpu: cores.get(1).copied(),
        receiver_cpu: cores.get(2).copied(),
        ..MediaDriverConfig::for_dir(&dir)
    };
    let driver = EmbeddedMediaDriver::start(config).with_context(|| {
        format!(
            "cannot run a media driver in {}{}",
            dir.display(),
            owner(&dir)
        )
    })?;
    let fields = json!({
        "role": Role::MediaDriver.to_string(),
        "aeron_dir": dir.display().to_string(),
        "pid": std::process::id(),
    });
    let text = format!(
        "media-driver ready in {} (pid {})",
        dir.display(),
        std::process::id()
    );
    report.event("ready", &text, fields);
    Ok(driver)
}

/// Whose directory it is, where it is somebody else's.
fn owner(dir: &Path) -> String {
    let Ok(about) = std::fs::metadata(dir) else {
        return String::new();
    };
    let (uid, mode) = (about.uid(), about.mode() & 0o7777);
    if uid == rustix::process::geteuid().as_raw() {
        return String::new();
    }
    format!(
        ", which belongs to uid {uid} and has mode {mode:04o}: use that one's, as its group if it is \
         to be shared, or name another with --aeron-dir"
    )
}

/// Cores left over by the agents: the media driver's conductor, sender and receiver in this order.
fn cores(args: &RunArgs) -> anyhow::Result<Vec<u16>> {
    let agents = args
        .roles
        .iter()
        .filter(|&&role| role != Role::MediaDriver)
        .count();
    let taken = match args.threading {
        Threading::Shared => agents.min(1),
        Threading::Dedicated => agents,
    };
    args.cores
        .iter()
        .skip(taken)
        .map(|&core| u16::try_from(core).with_context(|| format!("core {core}")))
        .collect()
}

/// The nearest of Aeron's own strategies.
fn idle(strategy: IdleStrategy) -> DriverIdle {
    match strategy {
        IdleStrategy::Noop => DriverIdle::Noop,
        IdleStrategy::BusySpin => DriverIdle::Spin,
        IdleStrategy::Yield => DriverIdle::Yield,
        IdleStrategy::Sleep { period } => {
            DriverIdle::Sleep(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX))
        }
        IdleStrategy::Backoff { .. } => DriverIdle::Backoff,
    }
}
