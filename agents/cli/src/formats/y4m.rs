//! `YUV4MPEG2` video: planar frames behind one text line each.
//!
//! A frame's bytes are those `ffmpeg -f rawvideo` writes for the same pixel format: the planes one
//! after the other without padding, samples of more than 8 bits in two bytes, little-endian.
//!
//! Shape of a frame (element type u8, or u16 for more than 8 bits):
//!
//! | sampling | shape | |
//! |---|---|---|
//! | mono | `[height, width]` | |
//! | 4:4:4 | `[3, height, width]` | Y, U, V |
//! | 4:2:0, even width and height | `[height * 3 / 2, width]` | Y over U over V, as OpenCV's I420 |
//! | 4:2:2, even width | `[height * 2, width]` | Y over U over V |
//! | any other | `[samples]` | |

use std::io::BufRead;

use super::dtype::ElementType;
use super::input::InputError;
use super::layout::FrameLayout;
use super::part::FramePart;
use super::shape::Shape;
use super::stream::{at_end, read_line};

/// What every file begins with.
pub const MAGIC: &[u8] = b"YUV4MPEG2";

const MAX_LINE_LEN: u64 = 4096;

/// A stream that is not `YUV4MPEG2`, or a kind that is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Y4mError {
    /// The first line is not a stream header.
    #[error("not a YUV4MPEG2 stream: the first line does not start with 'YUV4MPEG2'")]
    NotY4m,
    /// A parameter of the stream header is missing or cannot be read.
    #[error("YUV4MPEG2 header: expected {expected}, found '{}'", .found.escape_debug())]
    Parameter {
        /// What it should be.
        expected: &'static str,
        /// What is there, empty when nothing.
        found: String,
    },
    /// A colour space that is not read.
    #[error(
        "YUV4MPEG2 colour space '{}' is not supported: expected 420, 422, 444, 411 or mono, \
         with up to 16 bits", .0.escape_debug()
    )]
    ColourSpace(String),
    /// A frame does not begin with its line.
    #[error("frame {frame_index}: expected a line that starts with 'FRAME', found '{}'", .found.escape_debug())]
    FrameLine {
        /// Which frame, from 0.
        frame_index: u64,
        /// The beginning of what is there.
        found: String,
    },
}

/// How chroma is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Luma only.
    Mono,
    /// Chroma at half width and half height.
    Yuv420,
    /// Chroma at half width.
    Yuv422,
    /// Chroma at a quarter of the width.
    Yuv411,
    /// Chroma at full size.
    Yuv444,
}

/// What the stream header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Y4mHeader {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames per second as numerator and denominator; none when unknown.
    pub frame_rate: Option<(u32, u32)>,
    /// Sampling of chroma.
    pub sampling: Sampling,
    /// Bits in a sample, 8 to 16.
    pub bit_depth: u32,
}

impl Y4mHeader {
    /// Frames per second.
    #[must_use]
    pub fn frame_rate_hz(&self) -> Option<f64> {
        self.frame_rate
            .map(|(numerator, denominator)| f64::from(numerator) / f64::from(denominator))
    }

    /// What ffmpeg calls the pixel format.
    #[must_use]
    pub fn pixel_format(&self) -> String {
        let name = match self.sampling {
            Sampling::Mono => "gray",
            Sampling::Yuv420 => "yuv420p",
            Sampling::Yuv422 => "yuv422p",
            Sampling::Yuv411 => "yuv411p",
            Sampling::Yuv444 => "yuv444p",
        };
        if self.bit_depth == 8 {
            name.to_owned()
        } else {
            format!("{name}{}le", self.bit_depth)
        }
    }

    /// The layout of every frame, see the [module](self).
    pub fn layout(&self) -> Result<FrameLayout, InputError> {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let is_even = |extent: u64| extent.is_multiple_of(2);
        let extents = match self.sampling {
            Sampling::Mono => vec![height, width],
            Sampling::Yuv444 => vec![3, height, width],
            Sampling::Yuv420 if is_even(width) && is_even(height) => vec![height / 2 * 3, width],
            Sampling::Yuv422 if is_even(width) => vec![height * 2, width],
            Sampling::Yuv420 | Sampling::Yuv422 | Sampling::Yuv411 => vec![self.sample_count()],
        };
        let element_type = if self.bit_depth == 8 {
            ElementType::U8
        } else {
            ElementType::U16
        };
        Ok(FrameLayout::row_major(element_type, Shape::new(&extents)?))
    }

    fn sample_count(&self) -> u64 {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let chroma = match self.sampling {
            Sampling::Mono => 0,
            Sampling::Yuv420 => width.div_ceil(2) * height.div_ceil(2),
            Sampling::Yuv422 => width.div_ceil(2) * height,
            Sampling::Yuv411 => width.div_ceil(4) * height,
            Sampling::Yuv444 => width * height,
        };
        width * height + 2 * chroma
    }

    fn parse(line: &[u8]) -> Result<Self, Y4mError> {
        let text = std::str::from_utf8(line).map_err(|_| Y4mError::NotY4m)?;
        let mut tokens = text.split(' ').filter(|token| !token.is_empty());
        if tokens.next() != Some("YUV4MPEG2") {
            return Err(Y4mError::NotY4m);
        }
        let (mut width, mut height, mut rate, mut space) = ("", "", "", "420jpeg");
        for token in tokens {
            let Some(letter) = token.chars().next() else {
                continue;
            };
            let value = &token[letter.len_utf8()..];
            match letter {
                'W' => width = value,
                'H' => height = value,
                'F' => rate = value,
                'C' => space = value,
                _ => {}
            }
        }
        let (sampling, bit_depth) = parse_colour_space(space)?;
        let width = parse_extent(width, "a width W from 1 to 65535")?;
        let height = parse_extent(height, "a height H from 1 to 65535")?;
        Ok(Self {
            width,
            height,
            frame_rate: parse_rate(rate)?,
            sampling,
            bit_depth,
        })
    }
}

fn parse_extent(found: &str, expected: &'static str) -> Result<u32, Y4mError> {
    let extent = found
        .parse()
        .ok()
        .filter(|extent| (1..=65_535).contains(extent));
    extent.ok_or_else(|| Y4mError::Parameter {
        expected,
        found: found.to_owned(),
    })
}

fn parse_rate(found: &str) -> Result<Option<(u32, u32)>, Y4mError> {
    if found.is_empty() {
        return Ok(None);
    }
    let parts = found.split_once(':');
    let rate = parts.and_then(|(n, d)| Some((n.parse::<u32>().ok()?, d.parse::<u32>().ok()?)));
    let expected = "a frame rate F such as 30000:1001";
    let rate = rate.ok_or_else(|| Y4mError::Parameter {
        expected,
        found: found.to_owned(),
    })?;
    Ok(Some(rate).filter(|(numerator, denominator)| *numerator > 0 && *denominator > 0))
}

fn parse_colour_space(space: &str) -> Result<(Sampling, u32), Y4mError> {
    let unsupported = || Y4mError::ColourSpace(space.to_owned());
    if matches!(space, "420" | "420jpeg" | "420paldv" | "420mpeg2") {
        return Ok((Sampling::Yuv420, 8));
    }
    let kinds = [
        ("mono", Sampling::Mono),
        ("420p", Sampling::Yuv420),
        ("422p", Sampling::Yuv422),
        ("444p", Sampling::Yuv444),
    ];
    match space {
        "mono" => return Ok((Sampling::Mono, 8)),
        "422" => return Ok((Sampling::Yuv422, 8)),
        "411" => return Ok((Sampling::Yuv411, 8)),
        "444" => return Ok((Sampling::Yuv444, 8)),
        _ => {}
    }
    let matching = kinds
        .iter()
        .find_map(|(name, sampling)| Some((space.strip_prefix(name)?, sampling)));
    let (depth, sampling) = matching.ok_or_else(unsupported)?;
    let depth = depth.parse().ok().filter(|depth| (9..=16).contains(depth));
    Ok((*sampling, depth.ok_or_else(unsupported)?))
}

/// Reads frames from a `YUV4MPEG2` stream.
#[derive(Debug)]
pub struct Y4mReader<R> {
    reader: R,
    header: Y4mHeader,
    layout: FrameLayout,
    line: Vec<u8>,
    frame_index: u64,
}

impl<R: BufRead> Y4mReader<R> {
    /// Reads the stream header.
    pub fn new(mut reader: R) -> Result<Self, InputError> {
        let mut line = Vec::with_capacity(128);
        if !read_line(&mut reader, &mut line, MAX_LINE_LEN)? {
            return Err(Y4mError::NotY4m.into());
        }
        let header = Y4mHeader::parse(&line)?;
        let layout = header.layout()?;
        Ok(Self {
            reader,
            header,
            layout,
            line,
            frame_index: 0,
        })
    }

    /// What it reads from.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// What the stream header says.
    pub fn header(&self) -> &Y4mHeader {
        &self.header
    }

    /// The layout of every frame, see the [module](self).
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
        if part.is_first() && !self.read_frame_line()? {
            return Ok(false);
        }
        part.read(&mut self.reader, &mut self.frame_index)?;
        Ok(true)
    }

    /// Reads what stands before each frame; false at the end.
    fn read_frame_line(&mut self) -> Result<bool, InputError> {
        let is_complete = read_line(&mut self.reader, &mut self.line, MAX_LINE_LEN)?;
        if self.line.is_empty() && !is_complete {
            return Ok(false);
        }
        let frame_index = self.frame_index;
        let is_frame = self.line == b"FRAME" || self.line.starts_with(b"FRAME ");
        if !is_frame || !is_complete {
            let beginning = &self.line[..self.line.len().min(24)];
            let found = String::from_utf8_lossy(beginning).into_owned();
            return Err(Y4mError::FrameLine { frame_index, found }.into());
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::testing::Drip;
    use super::*;

    fn header(line: &str) -> Result<Y4mHeader, Y4mError> {
        Y4mHeader::parse(line.as_bytes())
    }

    #[test]
    fn the_header_ffmpeg_writes_is_read() {
        let line = "YUV4MPEG2 W1280 H720 F60:1 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED";
        let header = header(line).expect("a header");
        assert_eq!((header.width, header.height), (1280, 720));
        assert_eq!(header.frame_rate_hz(), Some(60.0));
        assert_eq!(header.pixel_format(), "yuv420p");
        let layout = header.layout().expect("a layout");
        assert_eq!(layout.shape.dims(), [1080, 1280]);
        assert_eq!(layout.frame_len(), 1_382_400);
    }

    #[test]
    fn every_sampling_has_ffmpegs_frame_size_and_a_shape() {
        for (space, format, extents, frame_len) in [
            ("420mpeg2", "yuv420p", &[9, 4][..], 36),
            ("422", "yuv422p", &[12, 4], 48),
            ("444", "yuv444p", &[3, 6, 4], 72),
            ("411", "yuv411p", &[36], 36),
            ("mono", "gray", &[6, 4], 24),
            ("420p10", "yuv420p10le", &[9, 4], 72),
            ("422p12", "yuv422p12le", &[12, 4], 96),
            ("444p16", "yuv444p16le", &[3, 6, 4], 144),
            ("mono12", "gray12le", &[6, 4], 48),
        ] {
            let header = header(&format!("YUV4MPEG2 W4 H6 F25:1 C{space}")).expect(space);
            let layout = header.layout().expect(space);
            assert_eq!(header.pixel_format(), format);
            assert_eq!(layout.shape.dims(), extents, "{space}");
            assert_eq!(layout.frame_len(), frame_len, "{space}");
        }
    }

    #[test]
    fn odd_sizes_round_chroma_up() {
        let layout = |space| {
            let header = header(&format!("YUV4MPEG2 W5 H3 C{space}")).expect(space);
            header.layout().expect(space)
        };
        assert_eq!(layout("420").shape.dims(), [15 + 2 * 6]);
        assert_eq!(layout("422").shape.dims(), [15 + 2 * 9]);
        assert_eq!(layout("411").shape.dims(), [15 + 2 * 6]);
    }

    #[test]
    fn frames_come_from_a_slow_pipe_with_and_without_frame_parameters() {
        let mut bytes = b"YUV4MPEG2 W2 H2 F30000:1001\nFRAME\n".to_vec();
        bytes.extend([1, 2, 3, 4, 5, 6]);
        bytes.extend(b"FRAME Ip\n");
        bytes.extend([7, 8, 9, 10, 11, 12]);
        let mut reader = Y4mReader::new(Drip::new(&bytes)).expect("a stream");
        let mut frame = [0; 6];
        assert!(reader.read_frame(&mut frame).expect("first"));
        assert_eq!(frame, [1, 2, 3, 4, 5, 6]);
        assert!(!reader.at_end().expect("known"));
        assert!(reader.read_frame(&mut frame).expect("second"));
        assert_eq!(frame, [7, 8, 9, 10, 11, 12]);
        assert!(reader.at_end().expect("known"));
        assert!(!reader.read_frame(&mut frame).expect("end"));
    }

    #[test]
    fn broken_streams_say_where() {
        let error = |line: &str| header(line).unwrap_err().to_string();
        assert!(error("RIFF").starts_with("not a YUV4MPEG2 stream"));
        let message = "YUV4MPEG2 header: expected a width W from 1 to 65535, found ''";
        assert_eq!(error("YUV4MPEG2 H2"), message);
        assert!(error("YUV4MPEG2 W0 H2").contains("found '0'"));
        assert!(error("YUV4MPEG2 W2 H2 F25").contains("30000:1001, found '25'"));
        assert!(error("YUV4MPEG2 W2 H2 C444alpha").contains("'444alpha' is not supported"));

        let read = |body: &[u8]| {
            let bytes = [b"YUV4MPEG2 W2 H2\n", body].concat();
            let mut reader = Y4mReader::new(&bytes[..]).expect("a stream");
            reader.read_frame(&mut [0; 6]).unwrap_err().to_string()
        };
        let short = "the input ends inside frame 0: expected 6 bytes, found 2";
        assert_eq!(read(b"FRAME\nab"), short);
        let message = "frame 0: expected a line that starts with 'FRAME', found 'FRAMES'";
        assert_eq!(read(b"FRAMES\nabcdef"), message);
        assert!(read(b"FRA").ends_with("found 'FRA'"));
        // What a stranger wrote does not reach a terminal as it is.
        assert!(read(b"F\x1b[31m\n").ends_with("found 'F\\u{1b}[31m'"));
    }
}
