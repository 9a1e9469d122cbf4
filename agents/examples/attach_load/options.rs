//! The command line.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use tensorpool::client::ClientConfig;
use tensorpool::codecs::types::StreamId;

pub(crate) const HELP: &str = "attach_load [OPTIONS]
  --cycles N        attach and detach so often, as consumer and as producer [1000]
  --clients N       consumers that are there at the same time [200]
  --processes N     processes they are spread over [20]
  --frames N        frames each of them reads [256]
  --stream N        the stream [10000]
  --aeron-dir DIR   the media driver's directory [AERON_DIR, or Aeron's own default]
  --base-dir DIR    the driver's shm.base_dir [/dev/shm]
  --kept-epochs N   the driver's policies.epoch_gc_keep [2]
  --patience S      seconds any single step may take [30]";

/// What this process is to do.
pub(crate) enum Mode {
    Help,
    Load(Options),
    /// One of the processes of the crowd: its first consumer, and how many it has.
    Member(Options, usize, usize),
}

pub(crate) struct Options {
    pub(crate) cycles: usize,
    pub(crate) clients: usize,
    pub(crate) processes: usize,
    pub(crate) frames: u64,
    pub(crate) stream: StreamId,
    pub(crate) aeron_dir: PathBuf,
    pub(crate) base_dir: PathBuf,
    pub(crate) kept_epochs: usize,
    pub(crate) patience: Duration,
}

pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Mode, Box<dyn Error>> {
    let mut options = Options {
        cycles: 1_000,
        clients: 200,
        processes: 20,
        frames: 256,
        stream: StreamId::new(10_000),
        aeron_dir: ClientConfig::default().aeron_dir,
        base_dir: "/dev/shm".into(),
        kept_epochs: 2,
        patience: Duration::from_secs(30),
    };
    let (mut first, mut count) = (0, None);
    while let Some(name) = args.next() {
        if matches!(name.as_str(), "-h" | "--help") {
            return Ok(Mode::Help);
        }
        let value = args
            .next()
            .ok_or_else(|| format!("{name} needs a value; see --help"))?;
        let number = || {
            let parsed = value.parse::<u32>();
            parsed.map_err(|_| format!("{name} takes a number, found {value:?}"))
        };
        match name.as_str() {
            "--cycles" => options.cycles = number()? as usize,
            "--clients" => options.clients = number()? as usize,
            "--processes" => options.processes = number()? as usize,
            "--frames" => options.frames = number()?.into(),
            "--stream" => options.stream = StreamId::new(number()?),
            "--aeron-dir" => options.aeron_dir = value.into(),
            "--base-dir" => options.base_dir = value.into(),
            "--kept-epochs" => options.kept_epochs = number()? as usize,
            "--patience" => options.patience = Duration::from_secs(number()?.into()),
            "--member-first" => first = number()? as usize,
            "--member-count" => count = Some(number()? as usize),
            _ => return Err(format!("unknown option {name}; see --help").into()),
        }
    }
    options.processes = options.processes.clamp(1, options.clients.max(1));
    Ok(match count {
        Some(count) => Mode::Member(options, first, count),
        None => Mode::Load(options),
    })
}
