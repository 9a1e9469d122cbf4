//! Any output of frames behind one face.

use std::io::{self, Seek, Write};

use super::layout::FrameLayout;
use super::npy::NpyWriter;

/// An output that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Writing failed.
    #[error("writing the output failed: {0}")]
    Io(#[from] io::Error),
    /// A frame that does not fit those before it.
    #[error(
        "frame {frame_index} is {found} and the frames before it are {expected}: a .npy file holds \
         frames of one layout"
    )]
    LayoutChanged {
        /// Which frame, from 0.
        frame_index: u64,
        /// What the first ones are.
        expected: String,
        /// What this one is.
        found: String,
    },
    /// A frame that is not as long as its layout says.
    #[error("a frame of {layout} has {expected} bytes, found {found}")]
    FrameLen {
        /// The layout.
        layout: String,
        /// Its length.
        expected: u64,
        /// The frame's length.
        found: usize,
    },
}

/// Any output of frames.
#[derive(Debug)]
pub enum FrameOutput<F: Write + Seek, P: Write> {
    /// A NumPy array file.
    Npy(NpyWriter<F>),
    /// Bare bytes, to a file or a pipe; takes frames of any layout.
    Raw(P),
}

impl<F: Write + Seek, P: Write> FrameOutput<F, P> {
    /// Writes a frame.
    pub fn write_frame(&mut self, layout: &FrameLayout, frame: &[u8]) -> Result<(), OutputError> {
        match self {
            Self::Npy(writer) => writer.write_frame(layout, frame),
            Self::Raw(out) => Ok(out.write_all(frame)?),
        }
    }

    /// Completes and flushes the output.
    pub fn finish(self) -> Result<(), OutputError> {
        match self {
            Self::Npy(writer) => writer.finish().map(drop),
            Self::Raw(mut out) => Ok(out.flush()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::dtype::ElementType;
    use super::super::npy::Stacking;
    use super::*;

    #[test]
    fn raw_output_is_the_frames_and_nothing_else() {
        let layout = FrameLayout::row_major(ElementType::U8, "2".parse().expect("a shape"));
        let mut bytes = Vec::new();
        let mut output = FrameOutput::<Cursor<Vec<u8>>, _>::Raw(&mut bytes);
        output.write_frame(&layout, b"ab").expect("written");
        output.write_frame(&layout, b"cd").expect("written");
        output.finish().expect("finished");
        assert_eq!(bytes, b"abcd");
    }

    #[test]
    fn array_output_is_completed_on_finish() {
        let layout = FrameLayout::row_major(ElementType::U8, "2".parse().expect("a shape"));
        let mut file = Cursor::new(Vec::new());
        let writer = NpyWriter::new(&mut file, Stacking::Several);
        let mut output = FrameOutput::<_, Vec<u8>>::Npy(writer);
        output.write_frame(&layout, b"ab").expect("written");
        output.finish().expect("finished");
        assert!(file.into_inner().ends_with(b"\nab"));
    }
}
