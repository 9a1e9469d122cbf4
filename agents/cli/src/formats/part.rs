//! Frames in parts: what of a frame is read at a time.

use std::io::Read;

use super::input::InputError;
use super::stream::read_full;

/// Room for bytes of a frame that follow those read before. The first part of a frame begins at 0,
/// the last one ends where the frame does; each frame has a first and a last part, which may be the
/// same.
#[derive(Debug)]
pub struct FramePart<'a> {
    bytes: &'a mut [u8],
    offset: usize,
    frame_len: usize,
}

impl<'a> FramePart<'a> {
    /// Bytes from `offset` on of a frame of `frame_len`. Panics when they exceed it.
    #[must_use]
    pub fn new(bytes: &'a mut [u8], offset: usize, frame_len: usize) -> Self {
        assert!(
            offset <= frame_len && bytes.len() <= frame_len - offset,
            "a part of {} bytes at {offset} exceeds its frame of {frame_len}",
            bytes.len()
        );
        Self {
            bytes,
            offset,
            frame_len,
        }
    }

    /// A frame in one part.
    #[must_use]
    pub fn whole(frame: &'a mut [u8]) -> Self {
        let frame_len = frame.len();
        Self::new(frame, 0, frame_len)
    }

    pub(super) fn is_first(&self) -> bool {
        self.offset == 0
    }

    /// Fills it, and counts the frame if it is its last part. An input that ends within it is an
    /// error.
    pub(super) fn read(
        &mut self,
        reader: &mut impl Read,
        frame_index: &mut u64,
    ) -> Result<(), InputError> {
        let found = read_full(reader, self.bytes)?;
        if found < self.bytes.len() {
            return Err(InputError::ShortFrame {
                frame_index: *frame_index,
                expected: self.frame_len,
                found: self.offset + found,
            });
        }
        *frame_index += u64::from(self.offset + found == self.frame_len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        input: &mut &[u8],
        offset: usize,
        len: usize,
        index: &mut u64,
    ) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; len];
        let read = FramePart::new(&mut bytes, offset, 6).read(input, index);
        read.map(|()| bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn a_frame_is_counted_with_its_last_part() {
        let (mut input, mut index) = (&b"abcdefgh"[..], 0);
        assert_eq!(read(&mut input, 0, 4, &mut index), Ok(b"abcd".to_vec()));
        assert_eq!(index, 0);
        assert_eq!(read(&mut input, 4, 2, &mut index), Ok(b"ef".to_vec()));
        assert_eq!(index, 1);
    }

    #[test]
    fn an_end_within_a_later_part_names_all_bytes_of_its_frame() {
        let (mut input, mut index) = (&b"abcde"[..], 7);
        assert!(read(&mut input, 0, 4, &mut index).is_ok());
        assert_eq!(
            read(&mut input, 4, 2, &mut index).unwrap_err(),
            "the input ends inside frame 7: expected 6 bytes, found 5"
        );
    }
}
