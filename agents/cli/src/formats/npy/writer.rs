//! Frames into an array.

use std::io::{Seek, SeekFrom, Write};

use super::super::layout::{FrameLayout, MajorOrder};
use super::super::output::OutputError;
use super::header::NpyHeader;

/// Whether frames get an axis of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stacking {
    /// Only when there are several: a single frame keeps its shape.
    #[default]
    Several,
    /// Always.
    Always,
}

/// Writes frames of one layout as an array that grows by an axis: a new axis 0 for row-major
/// frames, a new last axis (in Fortran order) for column-major ones, so that each frame's bytes
/// stay as they are.
///
/// The number of frames is filled in by [`finish`](Self::finish). Until then the file says that it
/// has the frames whose header was written last, so an interrupted one can still be loaded in part.
/// The first frame is held in memory until it is known whether it stays alone.
#[derive(Debug)]
pub struct NpyWriter<W: Write + Seek> {
    out: W,
    stacking: Stacking,
    layout: Option<FrameLayout>,
    held: Vec<u8>,
    frame_count: u64,
}

impl<W: Write + Seek> NpyWriter<W> {
    /// Writes to the beginning of `out`, which should be buffered. Nothing is written before a
    /// frame comes.
    pub fn new(out: W, stacking: Stacking) -> Self {
        Self {
            out,
            stacking,
            layout: None,
            held: Vec::new(),
            frame_count: 0,
        }
    }

    /// Appends a frame; all must have the layout of the first.
    pub fn write_frame(&mut self, layout: &FrameLayout, frame: &[u8]) -> Result<(), OutputError> {
        if frame.len() as u64 != layout.frame_len() {
            let (expected, found) = (layout.frame_len(), frame.len());
            return Err(OutputError::FrameLen {
                layout: layout.to_string(),
                expected,
                found,
            });
        }
        match &self.layout {
            None => self.layout = Some(layout.clone()),
            Some(first) if first != layout => {
                let (expected, found) = (first.to_string(), layout.to_string());
                return Err(OutputError::LayoutChanged {
                    frame_index: self.frame_count,
                    expected,
                    found,
                });
            }
            Some(_) => {}
        }
        match (self.frame_count, self.stacking) {
            (0, Stacking::Several) => self.held.extend_from_slice(frame),
            (0, Stacking::Always) => {
                self.write_header(layout, Some(1))?;
                self.out.write_all(frame)?;
            }
            (1, Stacking::Several) => {
                self.write_header(layout, Some(2))?;
                let held = std::mem::take(&mut self.held);
                self.out.write_all(&held)?;
                self.out.write_all(frame)?;
            }
            _ => self.out.write_all(frame)?,
        }
        self.frame_count += 1;
        Ok(())
    }

    fn write_header(
        &mut self,
        layout: &FrameLayout,
        count: Option<u64>,
    ) -> Result<(), OutputError> {
        let mut extents: Vec<u64> = layout.shape.dims().iter().map(|&dim| dim.into()).collect();
        match (count, layout.major_order) {
            (None, _) => {}
            (Some(count), MajorOrder::Row) => extents.insert(0, count),
            (Some(count), MajorOrder::Column) => extents.push(count),
        }
        let FrameLayout {
            element_type,
            major_order,
            ..
        } = *layout;
        let header = NpyHeader {
            element_type,
            major_order,
            extents,
        };
        self.out.write_all(&header.to_bytes())?;
        Ok(())
    }

    /// How many frames were written.
    pub fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Writes the final header, flushes, and returns what was written to. Without any frame the
    /// output stays empty: there is no array without a type.
    pub fn finish(mut self) -> Result<W, OutputError> {
        if let Some(layout) = self.layout.take() {
            if self.frame_count == 1 && self.stacking == Stacking::Several {
                self.write_header(&layout, None)?;
                let held = std::mem::take(&mut self.held);
                self.out.write_all(&held)?;
            } else {
                // NumPy's spare spaces keep the header's length the same for every count.
                self.out.seek(SeekFrom::Start(0))?;
                self.write_header(&layout, Some(self.frame_count))?;
                self.out.seek(SeekFrom::End(0))?;
            }
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::super::dtype::ElementType;
    use super::super::reader::{NpyReader, Split};
    use super::*;

    fn layout(text: &str, major_order: MajorOrder) -> FrameLayout {
        let shape = text.parse().expect("a shape");
        FrameLayout {
            element_type: ElementType::U8,
            shape,
            major_order,
        }
    }

    fn write(stacking: Stacking, layout: &FrameLayout, frames: &[&[u8]]) -> Vec<u8> {
        let mut writer = NpyWriter::new(Cursor::new(Vec::new()), stacking);
        for frame in frames {
            writer.write_frame(layout, frame).expect("written");
        }
        assert_eq!(writer.frame_count(), frames.len() as u64);
        writer.finish().expect("finished").into_inner()
    }

    fn has_shape(bytes: &[u8], shape: &str, fortran: &str) -> bool {
        let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
        header.contains(&format!("'fortran_order': {fortran}, 'shape': {shape}, }}"))
    }

    #[test]
    fn an_array_of_512_by_512_floats_comes_back_byte_for_byte() {
        let data: Vec<u8> = (0..512_u32 * 512)
            .flat_map(|i| (i as f32).to_le_bytes())
            .collect();
        let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        file.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (512, 512), }");
        file.resize(127, b' ');
        file.push(b'\n');
        file.extend(&data);
        let mut reader = NpyReader::new(&file[..], Split::Whole).expect("opens");
        let mut frame = vec![0; data.len()];
        assert!(reader.read_frame(&mut frame).expect("read"));
        let layout = reader.layout().clone();
        assert!(
            write(Stacking::Several, &layout, &[&frame]) == file,
            "the files differ"
        );
    }

    #[test]
    fn several_frames_are_stacked_along_a_new_axis_0_and_the_count_is_filled_in() {
        let layout = layout("1x2", MajorOrder::Row);
        let frames: Vec<[u8; 2]> = (0..1_500_u32).map(|i| [i as u8, 7]).collect();
        let slices: Vec<&[u8]> = frames.iter().map(<[u8; 2]>::as_slice).collect();
        let bytes = write(Stacking::Several, &layout, &slices);
        assert!(has_shape(&bytes, "(1500, 1, 2)", "False"));
        assert_eq!(bytes.len(), 128 + 3_000);
        let mut reader = NpyReader::new(&bytes[..], Split::Axis0).expect("opens");
        let mut frame = [0; 2];
        for expected in frames {
            assert!(reader.read_frame(&mut frame).expect("read"));
            assert_eq!(frame, expected);
        }
        assert!(reader.at_end().expect("known"));
    }

    #[test]
    fn a_single_frame_has_an_axis_only_when_asked_for() {
        let layout = layout("3", MajorOrder::Row);
        assert!(has_shape(
            &write(Stacking::Several, &layout, &[b"abc"]),
            "(3,)",
            "False"
        ));
        let stacked = write(Stacking::Always, &layout, &[b"abc"]);
        assert!(has_shape(&stacked, "(1, 3)", "False"));
        assert!(stacked.ends_with(b"\nabc"));
    }

    #[test]
    fn column_major_frames_are_stacked_along_a_new_last_axis() {
        let layout = layout("2x3", MajorOrder::Column);
        let bytes = write(Stacking::Several, &layout, &[b"abcdef", b"ghijkl"]);
        assert!(has_shape(&bytes, "(2, 3, 2)", "True"));
        assert!(bytes.ends_with(b"\nabcdefghijkl"));
        assert!(has_shape(
            &write(Stacking::Several, &layout, &[b"abcdef"]),
            "(2, 3)",
            "True"
        ));
    }

    #[test]
    fn no_frames_leave_nothing() {
        assert!(write(Stacking::Always, &layout("3", MajorOrder::Row), &[]).is_empty());
    }

    #[test]
    fn frames_of_another_layout_or_length_are_refused() {
        let mut writer = NpyWriter::new(Cursor::new(Vec::new()), Stacking::Several);
        let first = layout("3", MajorOrder::Row);
        writer.write_frame(&first, b"abc").expect("first");
        let message = writer
            .write_frame(&layout("2", MajorOrder::Row), b"ab")
            .unwrap_err();
        let expected = "frame 1 is u8 2 and the frames before it are u8 3: a .npy file holds frames \
                        of one layout";
        assert_eq!(message.to_string(), expected);
        let message = writer.write_frame(&first, b"ab").unwrap_err().to_string();
        assert_eq!(message, "a frame of u8 3 has 3 bytes, found 2");
    }
}
