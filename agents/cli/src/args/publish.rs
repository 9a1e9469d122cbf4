//! `agent-runner publish`: its options, and what describes a stream.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::{AeronArgs, StreamArgs, parse_duration};
use crate::formats::dtype::ElementType;
use crate::formats::pace::Pace;
use crate::formats::pattern::Pattern;
use crate::formats::shape::Shape;
use crate::formats::size::ByteSize;

const PUBLISH_EXAMPLES: &str = "\
Examples:
  agent-runner publish --pattern interop --size 1MiB --count 10000 --pace 1000
  agent-runner publish images.npy --frames-axis0 --pace 30
  agent-runner publish clip.y4m --pace source
  agent-runner publish --dtype u16 --shape 480x640 camera.raw
  camera | agent-runner publish --progress=16KiB --dtype u16 --shape 480x640 -
  agent-runner publish --name 'camera 1' --meta exposure='10 ms' clip.y4m
  agent-runner publish --no-driver --pattern interop --size 1MiB --pace 100
  agent-runner publish --no-driver --nslots 32 --pool 64KiB --pool 4MiB clip.y4m
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - |
    agent-runner publish --lossless --wait-consumers 2 -

By default a slow consumer loses frames and counts them; with --lossless the
producer waits for it. With --no-driver a media driver is all that has to run: the
memory is the producer's own, and goes with it.";

/// `agent-runner publish`.
#[derive(Debug, Args)]
#[command(
    after_help = PUBLISH_EXAMPLES,
    group = ArgGroup::new("frames").args(["input", "pattern"]).required(true)
)]
pub struct PublishArgs {
    /// File to read, or - for standard input.
    #[arg(value_name = "INPUT")]
    pub input: Option<PathBuf>,
    /// Aeron and configuration.
    #[command(flatten)]
    pub aeron: AeronArgs,
    /// Stream and attach.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Format of the input [default: by its first bytes; raw needs --dtype and --shape].
    #[arg(long, value_enum, conflicts_with = "pattern")]
    pub format: Option<InputFormat>,
    /// One frame for each index of axis 0 of a .npy array, instead of one frame for the whole array.
    #[arg(long, conflicts_with = "pattern")]
    pub frames_axis0: bool,
    /// Element type of raw input, or of a pattern (default u8): u8, i16, f32, ...
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<ElementType>,
    /// Shape of one frame of raw input, or of a pattern: 480x640x3.
    #[arg(long, value_name = "SHAPE")]
    pub shape: Option<Shape>,
    /// Generate frames instead of reading them.
    #[arg(long, value_enum)]
    pub pattern: Option<Pattern>,
    /// Bytes in a generated frame.
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = parse_size,
        requires = "pattern",
        conflicts_with = "shape"
    )]
    pub size: Option<ByteSize>,
    /// Stop after this many frames [default: the end of the input; a pattern has none].
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    /// Stop after this long.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Frames per second: a number, `max`, or `source` (the rate the input declares).
    #[arg(
        long,
        value_name = "PACE",
        default_value = "max",
        allow_negative_numbers = true
    )]
    pub pace: Pace,
    /// Wait for this many consumers before the first frame.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub wait_consumers: usize,
    /// How long to wait for them.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub wait_timeout: Duration,
    /// Keep to the rates consumers name also when they ask for every frame (mode STREAM), as some
    /// producers do. Concerns descriptor streams of consumers' own.
    #[arg(long)]
    pub cap_every_mode: bool,
    /// Never overwrite a frame a consumer has not seen: wait for the slowest instead.
    #[arg(long)]
    pub lossless: bool,
    /// Write each frame in parts of this many bytes (64 KiB without a number), and tell consumers
    /// that ask for it how far it is.
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = parse_size,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "64KiB",
        conflicts_with = "lossless"
    )]
    pub progress: Option<ByteSize>,
    /// How long to wait at the end until every consumer has seen the last frame.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    pub linger: Duration,
    /// What describes the stream.
    #[command(flatten)]
    pub describe: DescribeArgs,
    /// Memory of its own.
    #[command(flatten)]
    pub own: OwnMemoryArgs,
}

/// The memory of a producer without a driver.
#[derive(Debug, Clone, Default, Args)]
pub struct OwnMemoryArgs {
    /// Do without a driver: make the stream's memory, announce it, and remove it at the end. Where
    /// it lies and with which mode is the configuration's `shm` table.
    #[arg(long, conflicts_with = "create")]
    pub no_driver: bool,
    /// Slots of the ring and of every pool, a power of two [default: of the configuration's stream
    /// with --config, else 16].
    #[arg(long, value_name = "N", requires = "no_driver", value_parser = parse_slot_count)]
    pub nslots: Option<u32>,
    /// A pool with slots of this many bytes; as many as are needed, with ids from 1 up or as given
    /// [default: as above, else one that fits a frame].
    #[arg(long, value_name = "[ID:]STRIDE", requires = "no_driver", value_parser = parse_pool)]
    pub pool: Vec<(Option<u16>, u32)>,
}

/// What describes a stream, for consumers that ask.
#[derive(Debug, Clone, Default, Args)]
pub struct DescribeArgs {
    /// Name of the stream; like --meta it has element type, shape and frame rate told along.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// An attribute of the stream; as many as are needed.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_attribute)]
    pub meta: Vec<(String, String)>,
    /// An attribute whose value is what a file contains; as many as are needed.
    #[arg(long, value_name = "KEY=PATH", value_parser = parse_attribute_file)]
    pub meta_file: Vec<(String, PathBuf)>,
    /// A file too large for an attribute, sent once to the consumers that are there, with a number
    /// that tells them what it is.
    #[arg(long, value_name = "TYPE=PATH", value_parser = parse_blob)]
    pub blob: Vec<(u32, PathBuf)>,
}

impl DescribeArgs {
    /// Whether anything was said.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.name.is_some()
            || !self.meta.is_empty()
            || !self.meta_file.is_empty()
            || !self.blob.is_empty()
    }
}

/// Formats `publish` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// NumPy array file.
    Npy,
    /// `YUV4MPEG2` video.
    Y4m,
    /// Bytes; needs --dtype and --shape.
    Raw,
}

/// Parses `64KiB`; nothing is no size.
fn parse_size(text: &str) -> Result<ByteSize, String> {
    match text.parse() {
        Ok(ByteSize(0)) => Err("expected one byte at least, found 0".to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses a number of slots.
fn parse_slot_count(text: &str) -> Result<u32, String> {
    let count = text
        .parse()
        .ok()
        .filter(|count: &u32| count.is_power_of_two());
    count.ok_or_else(|| format!("expected a power of two such as 16, found {text:?}"))
}

/// Parses `exposure=10 ms`; the value may be empty and may have further equals signs.
fn parse_attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!(
            "expected a key and a value such as exposure=10ms, found {text:?}"
        )),
    }
}

/// Parses `mask=mask.json`.
fn parse_attribute_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((key, path)) if !key.is_empty() && !path.is_empty() => {
            Ok((key.to_owned(), path.into()))
        }
        _ => Err(format!(
            "expected a key and a file such as lens=lens.json, found {text:?}"
        )),
    }
}

/// Parses `7=offsets.bin`.
fn parse_blob(text: &str) -> Result<(u32, PathBuf), String> {
    let parsed = text.split_once('=').and_then(|(blob_type, path)| {
        let blob_type = blob_type.parse().ok()?;
        (!path.is_empty()).then(|| (blob_type, path.into()))
    });
    parsed.ok_or_else(|| {
        format!("expected a number and a file such as 7=offsets.bin, found {text:?}")
    })
}

/// Parses `4MiB` or `2:4MiB`.
fn parse_pool(text: &str) -> Result<(Option<u16>, u32), String> {
    let (id, stride) = match text.split_once(':') {
        Some((id, stride)) => (Some(id.parse().ok()), stride),
        None => (None, text),
    };
    let stride: Option<ByteSize> = stride.parse().ok();
    let stride = stride.and_then(|ByteSize(bytes)| u32::try_from(bytes).ok());
    match (id, stride) {
        (None, Some(stride)) => Ok((None, stride)),
        (Some(Some(id)), Some(stride)) => Ok((Some(id), stride)),
        _ => Err(format!(
            "expected bytes per slot such as 4MiB, or a pool id and those such as 2:4MiB, found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_blobs_are_split_at_the_first_equals_sign() {
        let parsed = parse_attribute("a=b=c");
        assert_eq!(parsed, Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_attribute("a="), Ok(("a".to_owned(), String::new())));
        for text in ["a", "=b", ""] {
            assert!(
                parse_attribute(text)
                    .unwrap_err()
                    .contains("such as exposure")
            );
        }
        assert_eq!(parse_blob("7=a=b"), Ok((7, "a=b".into())));
        for text in ["7=", "x=a", "-1=a", "7"] {
            assert!(parse_blob(text).unwrap_err().contains("such as 7="));
        }
        assert!(parse_attribute_file("k=").is_err());
    }

    #[test]
    fn sizes_and_slot_counts_that_hold_nothing_are_refused() {
        assert_eq!(parse_size("1KiB"), Ok(ByteSize(1024)));
        assert!(parse_size("0").unwrap_err().contains("one byte at least"));
        assert!(parse_size("x").unwrap_err().contains("is not a size"));
        assert_eq!(parse_slot_count("8"), Ok(8));
        for text in ["0", "3", "-4", "x"] {
            assert!(
                parse_slot_count(text)
                    .unwrap_err()
                    .contains("a power of two")
            );
        }
    }

    #[test]
    fn pools_have_a_stride_and_may_have_an_id() {
        assert_eq!(parse_pool("4MiB"), Ok((None, 4 << 20)));
        assert_eq!(parse_pool("2:64KiB"), Ok((Some(2), 64 << 10)));
        for text in ["x", "70000:1MiB", "2:", ":1MiB", "2:8GiB"] {
            assert!(parse_pool(text).unwrap_err().contains("such as 2:4MiB"));
        }
    }
}
