//! Any input of frames behind one face, and which one it is.

use std::fmt;
use std::io::{self, BufRead};
use std::path::Path;

use super::dtype::{DtypeError, ElementType};
use super::layout::FrameLayout;
use super::npy::{NpyError, NpyReader, Split};
use super::part::FramePart;
use super::raw::RawReader;
use super::shape::{Shape, ShapeError};
use super::y4m::{self, Y4mError, Y4mReader};

/// An input that cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Reading failed.
    #[error("reading the input failed: {0}")]
    Io(#[from] io::Error),
    /// The input ends too early.
    #[error("the input ends inside frame {frame_index}: expected {expected} bytes, found {found}")]
    ShortFrame {
        /// Which frame, from 0.
        frame_index: u64,
        /// Bytes of a frame.
        expected: usize,
        /// Bytes that were there.
        found: usize,
    },
    /// A `.npy` header that cannot be used.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// A `YUV4MPEG2` stream that cannot be used.
    #[error(transparent)]
    Y4m(#[from] Y4mError),
    /// A shape that cannot be used.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// An element type that cannot be used.
    #[error(transparent)]
    Dtype(#[from] DtypeError),
    /// There is nothing in it.
    #[error("the input is empty")]
    Empty,
    /// The layout of raw bytes for an input that tells its own.
    #[error(
        "--dtype and --shape are for raw bytes, but this is {found}, which tells its own: leave them out"
    )]
    LayoutNotWanted {
        /// What the input is.
        found: Format,
    },
    /// Frames of an array asked of something else.
    #[error("--frames-axis0 is for .npy arrays, but this is {found}: leave it out")]
    NotAnArray {
        /// What the input is.
        found: Format,
    },
    /// The format was not given and cannot be guessed.
    #[error(
        "the input is neither .npy nor .y4m: to publish raw bytes give --dtype and --shape, \
         such as --dtype u8 --shape 480x640x3"
    )]
    UnknownFormat,
    /// Raw bytes without their layout.
    #[error("raw input needs --{missing}")]
    MissingLayout {
        /// The option that is missing.
        missing: &'static str,
    },
}

/// A format of frames in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy array file.
    Npy,
    /// `YUV4MPEG2` video.
    Y4m,
    /// Bare bytes.
    Raw,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Npy => "a .npy array",
            Self::Y4m => "YUV4MPEG2 video",
            Self::Raw => "raw bytes",
        })
    }
}

impl Format {
    /// The format a stream with these first bytes has.
    #[must_use]
    pub fn of_beginning(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(super::npy::MAGIC) {
            Some(Self::Npy)
        } else if bytes.starts_with(y4m::MAGIC) {
            Some(Self::Y4m)
        } else {
            None
        }
    }

    /// The format a file with this name has.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_ascii_lowercase();
        match extension.to_str()? {
            "npy" => Some(Self::Npy),
            "y4m" => Some(Self::Y4m),
            "raw" | "bin" | "yuv" | "rgb" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// What is known of an input beforehand.
#[derive(Clone, Debug, Default)]
pub struct InputOptions {
    /// Its format; guessed from its first bytes when not given, then from a given layout.
    pub format: Option<Format>,
    /// Element type of raw bytes.
    pub element_type: Option<ElementType>,
    /// Shape of a frame of raw bytes.
    pub shape: Option<Shape>,
    /// Publish an array as one frame for each index of axis 0.
    pub frames_axis0: bool,
}

/// Any input of frames. Fixed layout; frames go into buffers of the caller.
#[derive(Debug)]
pub enum FrameInput<R> {
    /// NumPy array file.
    Npy(NpyReader<R>),
    /// `YUV4MPEG2` video.
    Y4m(Y4mReader<R>),
    /// Bare bytes.
    Raw(RawReader<R>),
}

impl<R: BufRead> FrameInput<R> {
    /// Reads the header, if the format has one. The reader should have a large buffer.
    ///
    /// Guessing the format looks at what the first read gives; a stream that gives fewer than nine
    /// bytes at first should have its format named.
    pub fn open(mut reader: R, options: &InputOptions) -> Result<Self, InputError> {
        let guessed = match options.format {
            Some(format) => Some(format),
            None => {
                if super::stream::at_end(&mut reader)? {
                    return Err(InputError::Empty);
                }
                Format::of_beginning(reader.fill_buf()?)
            }
        };
        let has_layout = options.element_type.is_some() || options.shape.is_some();
        let format = guessed
            .or(has_layout.then_some(Format::Raw))
            .ok_or(InputError::UnknownFormat)?;
        if has_layout && format != Format::Raw {
            return Err(InputError::LayoutNotWanted { found: format });
        }
        if options.frames_axis0 && format != Format::Npy {
            return Err(InputError::NotAnArray { found: format });
        }
        match format {
            Format::Npy => {
                let split = if options.frames_axis0 {
                    Split::Axis0
                } else {
                    Split::Whole
                };
                Ok(Self::Npy(NpyReader::new(reader, split)?))
            }
            Format::Y4m => Ok(Self::Y4m(Y4mReader::new(reader)?)),
            Format::Raw => {
                let missing = |missing| InputError::MissingLayout { missing };
                let element_type = options.element_type.ok_or_else(|| missing("dtype"))?;
                let shape = options.shape.clone().ok_or_else(|| missing("shape"))?;
                Ok(Self::Raw(RawReader::new(
                    reader,
                    FrameLayout::row_major(element_type, shape),
                )))
            }
        }
    }

    /// What it reads from.
    pub fn reader(&self) -> &R {
        match self {
            Self::Npy(reader) => reader.reader(),
            Self::Y4m(reader) => reader.reader(),
            Self::Raw(reader) => reader.reader(),
        }
    }

    /// The layout of every frame.
    pub fn layout(&self) -> &FrameLayout {
        match self {
            Self::Npy(reader) => reader.layout(),
            Self::Y4m(reader) => reader.layout(),
            Self::Raw(reader) => reader.layout(),
        }
    }

    /// Frames per second the input declares.
    pub fn frame_rate_hz(&self) -> Option<f64> {
        match self {
            Self::Y4m(reader) => reader.header().frame_rate_hz(),
            Self::Npy(_) | Self::Raw(_) => None,
        }
    }

    /// Whether there is no further frame. Waits until that is known, so that no buffer need be
    /// claimed in vain.
    pub fn at_end(&mut self) -> Result<bool, InputError> {
        match self {
            Self::Npy(reader) => reader.at_end(),
            Self::Y4m(reader) => reader.at_end(),
            Self::Raw(reader) => reader.at_end(),
        }
    }

    /// Reads the next frame into `frame`, which has [`FrameLayout::frame_len`] bytes; false at the
    /// end.
    pub fn read_frame(&mut self, frame: &mut [u8]) -> Result<bool, InputError> {
        debug_assert_eq!(frame.len() as u64, self.layout().frame_len());
        self.read_part(FramePart::whole(frame))
    }

    /// Reads a part of the next frame; false at the end. Parts come in order, without gaps, up to
    /// the end of the frame.
    pub fn read_part(&mut self, part: FramePart<'_>) -> Result<bool, InputError> {
        match self {
            Self::Npy(reader) => reader.read_part(part),
            Self::Y4m(reader) => reader.read_part(part),
            Self::Raw(reader) => reader.read_part(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8], options: &InputOptions) -> Result<FrameLayout, String> {
        FrameInput::open(bytes, options)
            .map(|input| input.layout().clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn formats_are_told_by_their_first_bytes_and_names() {
        let layout = open(b"YUV4MPEG2 W2 H2 C444\n", &InputOptions::default()).expect("video");
        assert_eq!(layout.to_string(), "u8 3x2x2");
        assert_eq!(
            Format::of_beginning(b"\x93NUMPY\x01\x00"),
            Some(Format::Npy)
        );
        assert_eq!(Format::of_name(Path::new("a/b.NPY")), Some(Format::Npy));
        assert_eq!(Format::of_name(Path::new("frames")), None);
    }

    #[test]
    fn raw_bytes_need_their_whole_layout() {
        let mut options = InputOptions::default();
        assert!(
            open(b"abc", &options)
                .unwrap_err()
                .contains("--dtype u8 --shape 480x640x3")
        );
        options.element_type = Some(ElementType::U8);
        assert_eq!(
            open(b"abc", &options).unwrap_err(),
            "raw input needs --shape"
        );
        options.shape = Some("3".parse().expect("a shape"));
        assert_eq!(open(b"abc", &options).expect("raw").to_string(), "u8 3");
    }

    #[test]
    fn options_that_do_not_fit_the_input_are_refused() {
        let video = b"YUV4MPEG2 W2 H2 C444\n";
        let options = InputOptions {
            element_type: Some(ElementType::F32),
            ..InputOptions::default()
        };
        assert!(
            open(video, &options)
                .unwrap_err()
                .contains("YUV4MPEG2 video, which tells its own")
        );
        let options = InputOptions {
            frames_axis0: true,
            ..InputOptions::default()
        };
        assert!(
            open(video, &options)
                .unwrap_err()
                .contains("--frames-axis0 is for .npy")
        );
        assert_eq!(
            open(b"", &InputOptions::default()).unwrap_err(),
            "the input is empty"
        );
    }

    #[test]
    fn a_named_format_is_believed() {
        let options = InputOptions {
            format: Some(Format::Y4m),
            ..InputOptions::default()
        };
        assert!(
            open(b"\x93NUMPY", &options)
                .unwrap_err()
                .starts_with("not a YUV4MPEG2")
        );
    }
}
