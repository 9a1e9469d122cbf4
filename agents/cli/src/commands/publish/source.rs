//! Where frames come from: a file, standard input, or a pattern.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};

use crate::args::{InputFormat, PublishArgs};
use crate::formats::dtype::ElementType;
use crate::formats::input::{Format, FrameInput, InputOptions};
use crate::formats::layout::FrameLayout;
use crate::formats::pattern::Pattern;
use crate::formats::shape::Shape;

/// Reads of large files are as large as this.
const INPUT_BUFFER_LEN: usize = 1 << 20;
/// Bytes in a generated frame unless something else was asked for.
const DEFAULT_PATTERN_LEN: u64 = 64 << 10;

/// An endless or finite supply of frames of one layout.
pub(super) enum Source {
    /// Read from somewhere.
    Input(Box<FrameInput<BufReader<Box<dyn Read>>>>),
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
    /// When the input cannot be opened, is not what it should be, or has an element type the protocol lacks.
    pub(super) fn open(args: &PublishArgs) -> anyhow::Result<Self> {
        if let Some(pattern) = args.pattern {
            return Ok(Self::Pattern {
                pattern,
                layout: pattern_layout(args)?,
            });
        }
        let path = args
            .input
            .as_deref()
            .context("an input or --pattern is needed")?;
        let reader: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        };
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
        let input = FrameInput::open(BufReader::with_capacity(INPUT_BUFFER_LEN, reader), &options)
            .with_context(|| path.display().to_string())?;
        Ok(Self::Input(Box::new(input)))
    }

    /// Layout of every frame.
    pub(super) fn layout(&self) -> &FrameLayout {
        match self {
            Self::Input(input) => input.layout(),
            Self::Pattern { layout, .. } => layout,
        }
    }

    /// Frames per second the input declares.
    pub(super) fn frame_rate_hz(&self) -> Option<f64> {
        match self {
            Self::Input(input) => input.frame_rate_hz(),
            Self::Pattern { .. } => None,
        }
    }

    /// Whether there is no further frame. Waits for the input.
    ///
    /// # Errors
    /// When the input breaks off.
    pub(super) fn at_end(&mut self) -> anyhow::Result<bool> {
        match self {
            Self::Input(input) => Ok(input.at_end()?),
            Self::Pattern { .. } => Ok(false),
        }
    }

    /// Writes the next frame into `payload`; `seq` is what a pattern is made of.
    ///
    /// # Errors
    /// When the input breaks off.
    pub(super) fn fill(&mut self, seq: u64, payload: &mut [u8]) -> anyhow::Result<()> {
        match self {
            Self::Input(input) => {
                if !input.read_frame(payload)? {
                    bail!("the input ended where a frame was expected");
                }
            }
            Self::Pattern { pattern, .. } => pattern.fill(seq, payload),
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
                bail!(
                    "--size {len} is no multiple of the {element_size} bytes of a {element_type}"
                );
            }
            Shape::new(&[len / element_size])?
        }
    };
    Ok(FrameLayout::row_major(element_type, shape))
}
