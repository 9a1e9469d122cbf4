//! Where frames come from: a file, standard input, or a pattern.

use std::io::BufReader;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::args::{InputFormat, PublishArgs};
use crate::formats::dtype::ElementType;
use crate::formats::input::{Format, FrameInput, InputError, InputOptions};
use crate::formats::layout::FrameLayout;
use crate::formats::part::FramePart;
use crate::formats::pattern::Pattern;
use crate::formats::shape::Shape;
use crate::report::failure::misuse;
use crate::signals::StopFlag;

use super::feed::Feed;
use super::stall::Stall;

/// Reads of large files are as large as this.
const INPUT_BUFFER_LEN: usize = 1 << 20;
/// Bytes in a generated frame unless something else was asked for.
const DEFAULT_PATTERN_LEN: u64 = 64 << 10;

/// An endless or finite supply of frames of one layout.
pub(super) enum Source {
    /// Read from somewhere.
    Input {
        /// As its user knows it.
        name: String,
        /// What is read.
        input: Box<FrameInput<BufReader<Feed>>>,
    },
    /// Generated.
    Pattern {
        /// How.
        pattern: Pattern,
        /// Into which shape.
        layout: FrameLayout,
    },
}

impl Source {
    /// Opens the input and reads its header, or settles the shape of generated frames.
    ///
    /// # Errors
    /// When the input cannot be opened, is not what it should be, or has an element type the protocol lacks; when a
    /// signal ends the wait for its header.
    pub(super) fn open(
        args: &PublishArgs,
        stop: &StopFlag,
        stall: &Rc<Stall>,
    ) -> anyhow::Result<Self> {
        if let Some(pattern) = args.pattern {
            if args.progress.is_some() && !pattern.has_parts() {
                return Err(misuse(
                    "--progress writes frames in parts, which this pattern does not have: use interop or seq",
                ));
            }
            return Ok(Self::Pattern {
                pattern,
                layout: pattern_layout(args)?,
            });
        }
        let path = args
            .input
            .as_deref()
            .context("an input or --pattern is needed")?;
        let (name, feed) = if path == Path::new("-") {
            ("standard input".to_owned(), Feed::stdin(stop, stall))
        } else {
            (path.display().to_string(), Feed::open(path, stop, stall))
        };
        let feed = feed.with_context(|| format!("cannot open {name}"))?;
        let options = InputOptions {
            format: args.format.map(|format| match format {
                InputFormat::Npy => Format::Npy,
                InputFormat::Y4m => Format::Y4m,
                InputFormat::Raw => Format::Raw,
            }),
            element_type: args.dtype,
            shape: args.shape.clone(),
            frames_axis0: args.frames_axis0,
        };
        let reader = BufReader::with_capacity(INPUT_BUFFER_LEN, feed);
        let input = match FrameInput::open(reader, &options) {
            Err(error @ InputError::MissingLayout { .. }) => {
                return Err(misuse(format!("{name}: {error}")));
            }
            opened => Box::new(opened.with_context(|| name.clone())?),
        };
        Ok(Self::Input { name, input })
    }

    /// Layout of every frame.
    pub(super) fn layout(&self) -> &FrameLayout {
        match self {
            Self::Input { input, .. } => input.layout(),
            Self::Pattern { layout, .. } => layout,
        }
    }

    /// Frames per second the input declares.
    pub(super) fn frame_rate_hz(&self) -> Option<f64> {
        match self {
            Self::Input { input, .. } => input.frame_rate_hz(),
            Self::Pattern { .. } => None,
        }
    }

    /// Waits until the input gives something, be it its end, for no longer than `timeout`. The rest of a frame may be
    /// longer in coming.
    ///
    /// # Errors
    /// When the input cannot be waited for.
    pub(super) fn wait(&self, timeout: Duration) -> anyhow::Result<bool> {
        match self {
            Self::Input { input, .. } => {
                let reader = input.reader();
                Ok(!reader.buffer().is_empty() || reader.get_ref().wait(timeout)?)
            }
            Self::Pattern { .. } => Ok(true),
        }
    }

    /// Whether there is no further frame. Waits for the input.
    ///
    /// # Errors
    /// When the input breaks off.
    pub(super) fn at_end(&mut self) -> anyhow::Result<bool> {
        match self {
            Self::Input { name, input } => input.at_end().with_context(|| name.clone()),
            Self::Pattern { .. } => Ok(false),
        }
    }

    /// Writes the next frame into `payload`; `seq` is what a pattern is made of.
    ///
    /// # Errors
    /// When the input breaks off.
    pub(super) fn fill(&mut self, seq: u64, payload: &mut [u8]) -> anyhow::Result<()> {
        let frame_len = payload.len();
        self.fill_part(seq, 0, payload, frame_len)
    }

    /// Writes the bytes of the next frame from `offset` on into `part`. Parts come in order, without gaps.
    ///
    /// # Errors
    /// When the input breaks off.
    pub(super) fn fill_part(
        &mut self,
        seq: u64,
        offset: usize,
        part: &mut [u8],
        frame_len: usize,
    ) -> anyhow::Result<()> {
        match self {
            Self::Input { name, input } => {
                let part = FramePart::new(part, offset, frame_len);
                if !input.read_part(part).with_context(|| name.clone())? {
                    bail!("{name}: the input ended where a frame was expected");
                }
            }
            Self::Pattern { pattern, .. } => pattern.fill_part(seq, offset, part),
        }
        Ok(())
    }
}

fn pattern_layout(args: &PublishArgs) -> anyhow::Result<FrameLayout> {
    let element_type = args.dtype.unwrap_or(ElementType::U8);
    let shape = match &args.shape {
        Some(shape) => shape.clone(),
        None => {
            let len = args.size.map_or(DEFAULT_PATTERN_LEN, |size| size.0);
            let element_size = element_type.size_bytes() as u64;
            if !len.is_multiple_of(element_size) {
                return Err(misuse(format!(
                    "--size {len} is no multiple of the {element_size} bytes of a {element_type}"
                )));
            }
            Shape::new(&[len / element_size])?
        }
    };
    Ok(FrameLayout::row_major(element_type, shape))
}
