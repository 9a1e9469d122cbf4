//! Frames out of an array.

use std::io::BufRead;

use super::super::input::InputError;
use super::super::layout::{FrameLayout, MajorOrder};
use super::super::part::FramePart;
use super::super::shape::Shape;
use super::super::stream::at_end;
use super::header::{NpyError, NpyHeader};

/// What is a frame of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// All of it.
    #[default]
    Whole,
    /// One index of axis 0.
    Axis0,
}

/// Reads an array as one frame or several, without holding more than the caller's buffer.
#[derive(Debug)]
pub struct NpyReader<R> {
    reader: R,
    layout: FrameLayout,
    frame_count: u64,
    frame_index: u64,
}

impl<R: BufRead> NpyReader<R> {
    /// Reads the header.
    pub fn new(mut reader: R, split: Split) -> Result<Self, InputError> {
        let NpyHeader {
            element_type,
            major_order,
            extents,
        } = NpyHeader::read(&mut reader)?;
        let (frame_count, extents) = match (split, extents.as_slice()) {
            (_, []) => return Err(NpyError::Scalar.into()),
            (Split::Whole, extents) => (1, extents),
            (Split::Axis0, [_]) => return Err(NpyError::NoFrames { dims: 1 }.into()),
            (Split::Axis0, _) if major_order == MajorOrder::Column => {
                return Err(NpyError::FortranFrames.into());
            }
            (Split::Axis0, [count, extents @ ..]) => (*count, extents),
        };
        let layout = FrameLayout {
            element_type,
            shape: Shape::new(extents)?,
            major_order,
        };
        Ok(Self {
            reader,
            layout,
            frame_count,
            frame_index: 0,
        })
    }

    /// What it reads from.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The layout of every frame.
    pub fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// How many frames the array has.
    pub fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Whether there is no further frame. Bytes after the last one are an error.
    pub fn at_end(&mut self) -> Result<bool, InputError> {
        if self.frame_index < self.frame_count {
            return Ok(false);
        }
        if at_end(&mut self.reader)? {
            Ok(true)
        } else {
            Err(NpyError::TrailingBytes.into())
        }
    }

    /// Reads the next frame into `frame`, which has [`FrameLayout::frame_len`] bytes; false at the
    /// end. An input that ends within a frame is an error.
    pub fn read_frame(&mut self, frame: &mut [u8]) -> Result<bool, InputError> {
        self.read_part(FramePart::whole(frame))
    }

    /// Reads a part of the next frame, see [`FramePart`]; false at the end.
    pub fn read_part(&mut self, mut part: FramePart<'_>) -> Result<bool, InputError> {
        if part.is_first() && self.at_end()? {
            return Ok(false);
        }
        part.read(&mut self.reader, &mut self.frame_index)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::dtype::ElementType;
    use super::super::super::stream::testing::Drip;
    use super::*;

    fn file(extents: &[u64], major_order: MajorOrder, data: &[u8]) -> Vec<u8> {
        let element_type = ElementType::U8;
        let header = NpyHeader {
            element_type,
            major_order,
            extents: extents.to_vec(),
        };
        [header.to_bytes().as_slice(), data].concat()
    }

    #[test]
    fn axis_0_is_split_into_frames_from_a_slow_pipe() {
        let bytes = file(&[2, 1, 3], MajorOrder::Row, &[1, 2, 3, 4, 5, 6]);
        let mut reader = NpyReader::new(Drip::new(&bytes), Split::Axis0).expect("opens");
        assert_eq!(reader.frame_count(), 2);
        assert_eq!(reader.layout().shape.dims(), [1, 3]);
        let mut frame = [0; 3];
        assert!(reader.read_frame(&mut frame).expect("first"));
        assert_eq!(frame, [1, 2, 3]);
        assert!(reader.read_frame(&mut frame).expect("second"));
        assert_eq!(frame, [4, 5, 6]);
        assert!(!reader.read_frame(&mut frame).expect("end"));
    }

    #[test]
    fn a_whole_array_is_one_frame_in_its_own_order() {
        let bytes = file(&[2, 3], MajorOrder::Column, &[1, 2, 3, 4, 5, 6]);
        let mut reader = NpyReader::new(&bytes[..], Split::Whole).expect("opens");
        assert_eq!(reader.layout().to_string(), "u8 2x3 column-major");
        let mut frame = [0; 6];
        assert!(reader.read_frame(&mut frame).expect("whole"));
        assert_eq!(frame, [1, 2, 3, 4, 5, 6]);
        assert!(reader.at_end().expect("known"));
    }

    #[test]
    fn arrays_that_are_no_frames_say_so() {
        let error = |extents: &[u64], order, split| {
            let bytes = file(extents, order, &[]);
            NpyReader::new(&bytes[..], split).unwrap_err().to_string()
        };
        assert!(error(&[], MajorOrder::Row, Split::Whole).contains("atleast_1d"));
        assert!(error(&[4], MajorOrder::Row, Split::Axis0).contains("need at least 2"));
        assert!(error(&[4, 4], MajorOrder::Column, Split::Axis0).contains("ascontiguousarray"));
        assert!(error(&[4, 0], MajorOrder::Row, Split::Whole).contains("axis 1 has extent 0"));
    }

    #[test]
    fn no_frames_at_all_is_an_end_and_not_an_error() {
        let bytes = file(&[0, 4], MajorOrder::Row, &[]);
        let mut reader = NpyReader::new(&bytes[..], Split::Axis0).expect("opens");
        assert!(reader.at_end().expect("known"));
    }

    #[test]
    fn missing_and_surplus_bytes_are_errors() {
        let bytes = file(&[2, 2], MajorOrder::Row, &[1, 2, 3]);
        let mut reader = NpyReader::new(&bytes[..], Split::Axis0).expect("opens");
        assert!(reader.read_frame(&mut [0; 2]).expect("first"));
        let message = reader.read_frame(&mut [0; 2]).unwrap_err().to_string();
        assert_eq!(
            message,
            "the input ends inside frame 1: expected 2 bytes, found 1"
        );

        let bytes = file(&[2], MajorOrder::Row, &[1, 2, 3]);
        let mut reader = NpyReader::new(&bytes[..], Split::Whole).expect("opens");
        assert!(reader.read_frame(&mut [0; 2]).expect("whole"));
        assert!(
            reader
                .at_end()
                .unwrap_err()
                .to_string()
                .contains("bytes follow the array")
        );
    }
}
