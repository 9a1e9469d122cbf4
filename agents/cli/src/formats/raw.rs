//! Frames as bare bytes, one after the other.

use std::io::BufRead;

use super::input::InputError;
use super::layout::FrameLayout;
use super::part::FramePart;
use super::stream::at_end;

/// Reads frames of a known layout from a stream without any framing.
#[derive(Debug)]
pub struct RawReader<R> {
    reader: R,
    layout: FrameLayout,
    frame_index: u64,
}

impl<R: BufRead> RawReader<R> {
    /// Reads frames of this layout.
    pub fn new(reader: R, layout: FrameLayout) -> Self {
        Self {
            reader,
            layout,
            frame_index: 0,
        }
    }

    /// What it reads from.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The layout of every frame.
    pub fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// Whether there is no further frame. Waits until that is known.
    pub fn at_end(&mut self) -> Result<bool, InputError> {
        Ok(at_end(&mut self.reader)?)
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
    use super::super::dtype::ElementType;
    use super::super::shape::Shape;
    use super::super::stream::testing::Drip;
    use super::*;

    fn layout(extents: &[u64]) -> FrameLayout {
        FrameLayout::row_major(ElementType::U16, Shape::new(extents).expect("a shape"))
    }

    #[test]
    fn frames_come_whole_from_a_pipe_that_gives_single_bytes() {
        let bytes: Vec<u8> = (0..12).collect();
        let mut reader = RawReader::new(Drip::new(&bytes), layout(&[3]));
        let mut frame = [0; 6];
        assert!(!reader.at_end().expect("known"));
        assert!(reader.read_frame(&mut frame).expect("first"));
        assert_eq!(frame, [0, 1, 2, 3, 4, 5]);
        assert!(reader.read_frame(&mut frame).expect("second"));
        assert_eq!(frame, [6, 7, 8, 9, 10, 11]);
        assert!(reader.at_end().expect("known"));
        assert!(!reader.read_frame(&mut frame).expect("end"));
    }

    #[test]
    fn a_short_last_frame_names_its_bytes() {
        let mut reader = RawReader::new(&[0_u8; 10][..], layout(&[3]));
        let mut frame = [0; 6];
        assert!(reader.read_frame(&mut frame).expect("first"));
        let message = reader.read_frame(&mut frame).unwrap_err().to_string();
        assert_eq!(
            message,
            "the input ends inside frame 1: expected 6 bytes, found 4"
        );
    }
}
