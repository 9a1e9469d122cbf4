//! The command line: every command, option and example of `agent-runner`.
//!
//! Only declarations and their value parsers; what a command does lives in [`crate::commands`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::formats::pace::{Pace, ParsePaceError};
use crate::formats::pattern::Pattern;

mod hint;
mod publish;

pub use hint::hint;
pub use publish::{DescribeArgs, InputFormat, OwnMemoryArgs, PublishArgs};

/// Moves large tensors between processes at memory speed.
#[derive(Debug, Parser)]
#[command(name = "agent-runner", version, about, long_about = None, after_help = ROOT_EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const ROOT_EXAMPLES: &str = "\
Examples:
  agent-runner run media-driver,driver    everything one machine needs
  agent-runner config generate > tensorpool.toml
  agent-runner publish --pattern interop --size 640KiB --count 100000
  agent-runner subscribe --verify interop
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - |
    agent-runner publish --lossless --wait-consumers 1 -";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one or more roles until SIGINT or SIGTERM.
    Run(RunArgs),
    /// Check, show or generate a configuration; nothing is run.
    Config(ConfigArgs),
    /// Publish frames from a file, standard input or a pattern.
    Publish(Box<PublishArgs>),
    /// Receive frames: write them out, verify them, or just show the figures.
    Subscribe(SubscribeArgs),
}

impl Command {
    /// Whether standard output carries frames, so that everything else must keep away from it.
    #[must_use]
    pub fn frames_on_stdout(&self) -> bool {
        matches!(self, Self::Subscribe(args) if args.output.as_deref() == Some(Path::new("-")))
    }

    /// Whether programs read what is said.
    #[must_use]
    pub fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.aeron.json,
            Self::Config(args) => match &args.action {
                ConfigAction::Check(args) | ConfigAction::Show(args) => args.aeron.json,
                ConfigAction::Generate => false,
            },
            Self::Publish(args) => args.aeron.json,
            Self::Subscribe(args) => args.aeron.json,
        }
    }
}

/// Options every command that talks to Aeron has.
#[derive(Debug, Clone, Args)]
pub struct AeronArgs {
    /// Directory of the media driver [default: AERON_DIR, the configuration's, else Aeron's own].
    #[arg(long, value_name = "DIR")]
    pub aeron_dir: Option<PathBuf>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ignore environment overrides such as `DRIVER_CONTROL_STREAM_ID`.
    #[arg(long)]
    pub no_env: bool,
    /// Print one JSON object per line instead of text.
    #[arg(long)]
    pub json: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  agent-runner run media-driver,driver    both in one process
  agent-runner run driver                 beside a media driver that runs already
  agent-runner run driver --config tensorpool.toml --cores 2 --idle busy-spin
  agent-runner run driver,supervisor --config tensorpool.toml
  agent-runner run media-driver --threading dedicated --cores 1,2,3

SIGINT and SIGTERM drain and exit with 0; a second signal exits at once.
Without --config the driver serves stream 10000 with pools for small, image-sized
and large frames: 80.1 MiB of shared memory, 240.2 MiB while epochs change. A driver whose configuration has a
[supervisor] table brings a supervisor, unless that says with_driver = false; SIGUSR1
prints what a supervisor knows.";

/// `agent-runner run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// Roles to run in this process, separated by commas.
    #[arg(value_name = "ROLE", value_delimiter = ',', required = true)]
    pub roles: Vec<Role>,
    /// Aeron and configuration.
    #[command(flatten)]
    pub aeron: AeronArgs,
    /// Idle strategy of the agents: noop, busy-spin, yield, sleep:1ms, backoff. [default: backoff;
    /// agents but the media driver sleep for up to 2 ms, as backoff:10,20,1us,2ms says]
    #[arg(long, value_name = "STRATEGY")]
    pub idle: Option<tensorpool::runtime::IdleStrategy>,
    /// Cores to pin agent threads to, in the order of the roles (the media driver's threads follow).
    #[arg(long, value_name = "CORE", value_delimiter = ',')]
    pub cores: Vec<usize>,
    /// One thread for all agents, or one each; the media driver follows.
    #[arg(long, value_enum, default_value_t = Threading::Shared)]
    pub threading: Threading,
}

/// What `run` can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Aeron's media driver, in this process.
    MediaDriver,
    /// The tensor pool driver: owns the memory, grants leases.
    Driver,
    /// The supervisor: follows producers and consumers, tells consumers how they get their frames.
    Supervisor,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MediaDriver => "media-driver",
            Self::Driver => "driver",
            Self::Supervisor => "supervisor",
        })
    }
}

/// How agents are spread over threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Threading {
    /// All agents in turn on one thread.
    Shared,
    /// A thread for each agent.
    Dedicated,
}

const CONFIG_EXAMPLES: &str = "\
Examples:
  agent-runner config generate > tensorpool.toml
  agent-runner config check tensorpool.toml
  agent-runner config show tensorpool.toml --no-env
  agent-runner config show --json | jq '.\"driver.control_stream_id\"'

Every key of [driver], [shm], [policies] and [supervisor] but shm.allowed_base_dirs has
a variable: the key in upper case with underscores (DRIVER_CONTROL_STREAM_ID). AERON_DIR,
TP_CONTROL_CHANNEL and TP_CONTROL_STREAM_ID are understood as well. Flags win over
variables, variables over the file, the file over the defaults. Variables alone bring no
supervisor, but SUPERVISOR_WITH_DRIVER=true does.";

/// `agent-runner config`.
#[derive(Debug, Args)]
#[command(after_help = CONFIG_EXAMPLES)]
pub struct ConfigArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Say what is wrong or odd; exit with 0 if it can be run with, else with 2.
    Check(ConfigFileArgs),
    /// Print what is in effect as TOML, with where each value is from.
    Show(ConfigFileArgs),
    /// Print a commented sample with every key and its default.
    Generate,
}

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigFileArgs {
    /// Configuration file (TOML), or - for standard input; without one, defaults and environment.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// Aeron and configuration.
    #[command(flatten)]
    pub aeron: AeronArgs,
}

/// What a client of a stream needs to know.
#[derive(Debug, Clone, Args)]
pub struct StreamArgs {
    /// Stream to attach to; 0 with --create is any free id.
    #[arg(long, short = 's', value_name = "ID", default_value_t = 10_000)]
    pub stream: u32,
    /// Create the stream if there is none with this id; with --stream 0, one with any free id. The
    /// driver must allow dynamic streams.
    #[arg(long)]
    pub create: bool,
    /// Client id; 0 picks a free one.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub client_id: u32,
    /// How long to keep trying to attach before giving up.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub attach_timeout: Duration,
    /// Core to pin the data thread to: the one that moves frames. The client's other threads, its
    /// conductor among them, keep off it as long as there are other cores.
    #[arg(long, value_name = "CORE")]
    pub core: Option<usize>,
    /// Idle strategy of the data thread.
    #[arg(long, value_name = "STRATEGY", default_value = "backoff")]
    pub idle: tensorpool::runtime::IdleStrategy,
}

const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  agent-runner subscribe                     live figures only
  agent-runner subscribe --verify interop    check every byte of generated frames
  agent-runner subscribe -o frames.npy --count 100
  agent-runner subscribe -o - |
    ffplay -f rawvideo -pixel_format yuv420p -video_size 1280x720 -
  agent-runner subscribe --checksum --json
  agent-runner subscribe --max-rate 30 --own-stream    enough to look at
  agent-runner subscribe --availability header-ring --idle yield   lowest latency
  agent-runner subscribe --progress --verify interop
  agent-runner subscribe --meta              what the producer says about its stream
  agent-runner subscribe --no-driver         of a producer that has no driver either

Ends with the stream (its producer detached), after --count frames, or on SIGINT.
Exits with 1 when a frame was torn or wrong, or nothing could be attached.";

/// `agent-runner subscribe`.
#[derive(Debug, Args)]
#[command(after_help = SUBSCRIBE_EXAMPLES)]
pub struct SubscribeArgs {
    /// Aeron and configuration.
    #[command(flatten)]
    pub aeron: AeronArgs,
    /// Stream and attach.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Do without a driver: follow what a producer announces that has none either.
    #[arg(long, conflicts_with = "create")]
    pub no_driver: bool,
    /// Where frames go: a file, or - for standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: npy for names that end so, else raw].
    #[arg(long, value_enum, requires = "output")]
    pub format: Option<OutputFormat>,
    /// Print a CRC-32C for each frame.
    #[arg(long)]
    pub checksum: bool,
    /// Check every byte of every frame against a pattern; exit with 1 at the end if one differed.
    #[arg(long, value_enum, value_name = "PATTERN")]
    pub verify: Option<Pattern>,
    /// How to hear of frames: by their descriptors, or by watching the header ring itself.
    #[arg(long, value_enum, default_value_t = Availability::Descriptor)]
    pub availability: Availability,
    /// Also take frames that are still being written, as far as they are: tells when their first
    /// bytes came. With --verify these are checked as well.
    #[arg(long)]
    pub progress: bool,
    /// Show what describes the stream, at the start and on each change, and its blobs.
    #[arg(long)]
    pub meta: bool,
    /// Touch only headers: do not read payloads.
    #[arg(long, conflicts_with_all = ["output", "checksum", "verify", "progress"])]
    pub headers_only: bool,
    /// Stop after this many frames.
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    /// Stop after this long.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Go on with the next producer when a stream ends.
    #[arg(long)]
    pub follow: bool,
    /// Receive at most this many frames per second; the others are skipped and counted as such (mode
    /// RATE_LIMITED). Lossless producers do not wait for such a consumer.
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_rate: Option<u16>,
    /// Do without shared memory: says so in its hellos, gets no frames, and shows where the driver or
    /// a supervisor says that payloads come from instead. Until SIGINT, or --duration.
    #[arg(long, conflicts_with_all = ["output", "checksum", "verify", "progress", "count"])]
    pub no_shm: bool,
    /// Ask for a descriptor stream of its own. The driver or a supervisor decides; with --max-rate it
    /// is then the producer that skips frames.
    #[arg(long)]
    pub own_stream: bool,
    /// Look at no more than this many frames per second (a deliberately slow reader, which loses
    /// frames when the producer is faster).
    #[arg(long, value_name = "HZ", allow_negative_numbers = true, value_parser = parse_rate)]
    pub slow: Option<f64>,
}

/// How `subscribe` hears of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Availability {
    /// One message over Aeron for each frame.
    Descriptor,
    /// The commit word of the next slot: less latency, no messages, no publish times.
    HeaderRing,
}

impl Availability {
    /// As figures name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptor => "descriptor",
            Self::HeaderRing => "header_ring",
        }
    }
}

impl From<Availability> for tensorpool::client::Availability {
    fn from(availability: Availability) -> Self {
        match availability {
            Availability::Descriptor => Self::Descriptor,
            Availability::HeaderRing => Self::HeaderRing,
        }
    }
}

/// Formats `subscribe` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// NumPy array file: one frame as it was, several stacked along a new axis 0.
    Npy,
    /// The payload bytes, nothing else.
    Raw,
}

/// Parses frames per second, written as a pace is.
fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(Pace::Hz(rate_hz)) => Ok(rate_hz),
        Err(slow @ ParsePaceError::TooSlow { .. }) => Err(slow.to_string()),
        _ => Err(format!(
            "expected frames per second such as 60 or 0.5, found {text:?}"
        )),
    }
}

/// 31 years: added to any moment of a clock it stays within that clock.
const MAX_DURATION: Duration = Duration::from_secs(1_000_000_000);

/// Parses `250ms`, `5s`, `2m`, `1500us`; a bare number means seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let value: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("expected a duration such as 250ms, 5s or 2m, found {text:?}"))?;
    let scale = match unit.trim() {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        other => {
            return Err(format!(
                "unknown unit {other:?} in {text:?}: use ns, us, ms, s, m or h"
            ));
        }
    };
    Duration::try_from_secs_f64(value * scale)
        .ok()
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| format!("duration {text:?} is negative or longer than {MAX_DURATION:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::size::ByteSize;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_size_of_the_memory_without_a_configuration_is_told_as_it_is() {
        let epoch_bytes = crate::config::ProfileSettings::small().epoch_bytes();
        for text in [RUN_EXAMPLES, include_str!("../../../docs/guide.md")] {
            for epochs in [1, 3] {
                let size = ByteSize(epochs * epoch_bytes).to_string();
                assert!(text.contains(&size), "{size}");
            }
        }
    }

    #[test]
    fn a_publisher_without_anything_to_publish_is_told_of_both_ways() {
        let refused = parse(&["publish"]).unwrap_err();
        assert!(
            refused.contains("INPUT") && refused.contains("--pattern"),
            "{refused}"
        );
        assert!(parse(&["publish", "a.npy", "--pattern", "seq"]).is_err());
        parse(&["publish", "a.npy"]).unwrap();
    }

    fn parse(args: &[&str]) -> Result<Cli, String> {
        let all = std::iter::once(&"agent-runner").chain(args);
        Cli::try_parse_from(all).map_err(|error| error.to_string())
    }

    #[test]
    fn the_most_a_consumer_may_ask_for_is_what_every_producer_can_keep() {
        for (rate, is_taken) in [("0", false), ("1", true), ("65535", true), ("65536", false)] {
            let parsed = parse(&["subscribe", "--max-rate", rate]);
            match parsed {
                Ok(Cli {
                    command: Command::Subscribe(args),
                }) => assert_eq!(
                    args.max_rate.map(|rate| rate.to_string()).as_deref(),
                    Some(rate)
                ),
                Ok(other) => panic!("{other:?}"),
                Err(text) => assert!(!is_taken && text.contains("1..=65535"), "{text}"),
            }
            assert_eq!(
                parse(&["subscribe", "--max-rate", rate]).is_ok(),
                is_taken,
                "{rate}"
            );
        }
    }

    #[test]
    fn memory_of_ones_own_is_refused_where_a_driver_has_it() {
        for own in [["--nslots", "8"], ["--pool", "64KiB"]] {
            let publish = ["publish", "--pattern", "seq"];
            let with_driver = [&publish[..], &own].concat();
            let refused = parse(&with_driver).unwrap_err();
            assert!(refused.contains("--no-driver"), "{refused}");
            parse(&[&with_driver[..], &["--no-driver"]].concat()).unwrap();
        }
        for command in [&["publish", "--pattern", "seq"][..], &["subscribe"]] {
            let refused = parse(&[command, &["--no-driver", "--create"]].concat()).unwrap_err();
            assert!(
                refused.contains("--no-driver") && refused.contains("--create"),
                "{refused}"
            );
        }
    }

    #[test]
    fn rates_are_above_zero_and_bad_ones_say_what_was_expected() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for text in ["0", "-3", "max", "source"] {
            assert!(parse_rate(text).unwrap_err().contains("such as 60"));
        }
        assert!(parse_rate("1e-300").unwrap_err().contains("too slow"));
    }

    #[test]
    fn durations_have_units_and_bad_ones_say_what_was_expected() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(
            parse_duration("5 parsecs")
                .unwrap_err()
                .contains("unknown unit")
        );
        assert!(parse_duration("-1s").unwrap_err().contains("negative"));
        let endless = parse_duration("1000000000001ms").unwrap_err();
        assert!(endless.contains("longer than 1000000000s"), "{endless}");
        assert!(
            parse_duration("soon")
                .unwrap_err()
                .contains("such as 250ms")
        );
    }
}
