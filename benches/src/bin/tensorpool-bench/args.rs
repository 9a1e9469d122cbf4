//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use crate::plan::{Availability, Mode, Pacing, Side, Touch};

const EXAMPLES: &str = "\
Examples:
  tensorpool-bench floor
  tensorpool-bench latency --availability header-ring --size 64,1m
  tensorpool-bench latency --availability header-ring --iceoryx2
  tensorpool-bench latency --size 640k --rate 10000 --hgrm /tmp/hgrm
  tensorpool-bench throughput --size 640k --touch lines --json
  tensorpool-bench cost --consumers 16
  tensorpool-bench scale --streams 1,1000

Every measurement runs in two processes of their own, pinned to two cores and spinning, with a media
driver and a driver in a third one. Batches of a millisecond or so take turns with batches of the
floor (one cache line, there and back) and of raw Aeron, since the same machine is at times twice as
fast as a second later: compare ratios, not nanoseconds. All files lie in a directory of their own
below /dev/shm and are removed.";

/// Measures latency and throughput between two processes, and what they are to be held against.
#[derive(Debug, Parser)]
#[command(name = "tensorpool-bench", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One cache line from core to core and back: nothing can be faster.
    Floor {
        #[command(flatten)]
        common: Common,
    },
    /// Raw Aeron IPC through the transport that frames go through: round trips and throughput, or
    /// delays at a rate.
    Aeron {
        /// Bytes of a message.
        #[arg(long, default_value = "48", value_parser = parse_aeron_len)]
        message_len: usize,
        /// Measures delays of so many messages a second instead.
        #[arg(long, value_name = "HZ")]
        rate: Option<u32>,
        #[command(flatten)]
        common: Common,
    },
    /// How long a frame takes: half a round trip, or delays at a rate, in percentiles.
    Latency {
        /// Measures delays of so many frames a second instead of round trips, from the time each
        /// was due.
        #[arg(long, value_name = "HZ")]
        rate: Option<u32>,
        #[command(flatten)]
        frames: FrameArgs,
        #[command(flatten)]
        common: Common,
    },
    /// How many frames, or bytes, a second.
    Throughput {
        /// What keeps the sender from overwriting what is not read yet.
        #[arg(long, value_enum, default_value = "credit")]
        pacing: Pacing,
        #[command(flatten)]
        frames: FrameArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Processor time a producer spends on a frame; consumers back off.
    Cost {
        #[command(flatten)]
        frames: FrameArgs,
        #[command(flatten)]
        common: Common,
    },
    /// What a driver of many streams costs: processor time while idle, and how long an attach takes.
    Scale {
        /// Streams of each driver that is compared; several with commas.
        #[arg(long, default_value = "1,1000", value_delimiter = ',',
            value_parser = clap::value_parser!(u16).range(1..=1000))]
        streams: Vec<u16>,
        #[command(flatten)]
        common: Common,
    },
    /// Plain copies into a ring of buffers.
    Memcpy {
        /// Bytes of a copy; several with commas.
        #[arg(long, default_value = "640k,4m", value_delimiter = ',', value_parser = parse_size)]
        size: Vec<usize>,
        #[command(flatten)]
        common: Common,
    },
    /// Aeron's own C samples, cping and cpong, in turns with our raw Aeron: they should agree.
    Cping {
        /// The program cping.
        #[arg(long, value_name = "FILE")]
        cping: PathBuf,
        /// The program cpong.
        #[arg(long, value_name = "FILE")]
        cpong: PathBuf,
        /// Bytes of a message.
        #[arg(long, default_value = "48", value_parser = parse_aeron_len)]
        message_len: usize,
        #[command(flatten)]
        common: Common,
    },
    /// One of the two processes; started by the others.
    #[command(hide = true)]
    Role {
        #[arg(value_enum)]
        side: Side,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct FrameArgs {
    /// How consumers hear of frames.
    #[arg(long, value_enum, default_value = "descriptor")]
    pub(crate) availability: Availability,
    /// How frames are written; several with commas.
    #[arg(long, value_enum, default_value = "copy", value_delimiter = ',')]
    pub(crate) mode: Vec<Mode>,
    /// Bytes of a payload, such as 64, 640k or 4m, from 1 to 64m; several with commas.
    #[arg(long, default_value = "64", value_delimiter = ',', value_parser = parse_frame_size)]
    pub(crate) size: Vec<usize>,
    /// What readers look at.
    #[arg(long, value_enum, default_value = "header")]
    pub(crate) touch: Touch,
    /// Consumers of the stream, all in the second process.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) consumers: u16,
    /// Streams the driver serves; frames go through one of them (and one back).
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) streams: u16,
    /// Also measures iceoryx2, in turns, with payloads of the same sizes that are copied in.
    #[arg(long)]
    pub(crate) iceoryx2: bool,
    /// Slots of the ring; by default what 512 MiB hold, at most 1024.
    #[arg(long, value_parser = parse_slots)]
    pub(crate) slots: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The cores of the two processes, or `none` to leave them to the scheduler.
    #[arg(long, default_value = "0,1")]
    pub(crate) cores: Cores,
    /// Batches of each kind.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rounds: u32,
    /// Divides the messages per batch, for a quick look.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) shrink: u32,
    /// Term length of the Aeron logs that messages and descriptors go through.
    #[arg(long, default_value = "16m", value_parser = parse_size)]
    pub(crate) term_length: usize,
    /// Where the directory of the measurement is made; must be a tmpfs.
    #[arg(long, default_value = "/dev/shm")]
    pub(crate) base_dir: PathBuf,
    /// Writes the percentiles of delays to files there, as HdrHistogram's plotter reads them.
    #[arg(long, value_name = "DIR")]
    pub(crate) hgrm: Option<PathBuf>,
    /// One JSON object per row.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the two processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    Pinned([usize; 2]),
    Unpinned,
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::Unpinned);
        }
        let cores = text.split_once(',').and_then(|(first, second)| {
            Some([first.trim().parse().ok()?, second.trim().parse().ok()?])
        });
        match cores {
            Some([first, second]) if first != second => Ok(Self::Pinned([first, second])),
            _ => Err(format!(
                "expected two different cores such as 0,1, or none, found {text:?}"
            )),
        }
    }
}

const MAX_FRAME_LEN: usize = 64 << 20;
/// A message that fits one fragment.
const MAX_AERON_LEN: usize = 1376;

/// Bytes, with k, m or g for the binary multiples.
fn parse_size(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, shift) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(digits) if lower.ends_with('k') => (digits, 10),
        Some(digits) if lower.ends_with('m') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (lower.as_str(), 0),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| format!("expected bytes such as 64, 640k or 4m, found {text:?}"))?;
    number
        .checked_mul(1 << shift)
        .filter(|size| *size > 0)
        .ok_or_else(|| format!("expected more than 0 bytes and fewer than 2^64, found {text:?}"))
}

fn parse_frame_size(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        size if size <= MAX_FRAME_LEN => Ok(size),
        _ => Err(format!("expected at most 64m, found {text:?}")),
    }
}

fn parse_aeron_len(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        len if (8..=MAX_AERON_LEN).contains(&len) => Ok(len),
        _ => Err(format!(
            "expected 8 to {MAX_AERON_LEN} bytes, a message of one fragment, found {text:?}"
        )),
    }
}

fn parse_slots(text: &str) -> Result<u32, String> {
    let slots: u32 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    match slots.is_power_of_two() && (4..=65536).contains(&slots) {
        true => Ok(slots),
        false => Err(format!(
            "expected a power of two from 4 to 65536, found {slots}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_binary_multiples() {
        assert_eq!(parse_size("64"), Ok(64));
        assert_eq!(parse_size("640K"), Ok(640 << 10));
        assert_eq!(parse_frame_size("64m"), Ok(64 << 20));
        for wrong in ["", "0", "k", "1t", "99999999999g"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert!(parse_frame_size("65m").is_err());
    }

    #[test]
    fn cores_are_two_or_none() {
        assert_eq!("1,0".parse(), Ok(Cores::Pinned([1, 0])));
        assert_eq!("none".parse(), Ok(Cores::Unpinned));
        for wrong in ["1", "1,1", "a,b", "0,1,2"] {
            assert!(wrong.parse::<Cores>().is_err(), "{wrong}");
        }
    }
}
