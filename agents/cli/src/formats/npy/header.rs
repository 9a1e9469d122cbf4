//! The header: magic, version, length, and a Python dictionary.

use std::io::Read;

use super::super::dtype::{DtypeError, ElementType};
use super::super::input::InputError;
use super::super::layout::MajorOrder;
use super::super::stream::read_full;

/// What every file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Longer headers are taken for garbage.
const MAX_HEADER_LEN: usize = 1 << 16;
const ALIGNMENT: usize = 64;
/// Spaces NumPy keeps so that the axis that grows can grow in place.
const GROWTH_DIGITS: usize = 21;

/// A `.npy` header that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// Another kind of file.
    #[error("not a .npy file: it does not begin with \\x93NUMPY")]
    NotNpy,
    /// A version from the future.
    #[error(".npy version {major}.{minor} is not supported: expected 1.0, 2.0 or 3.0")]
    Version {
        /// Major number.
        major: u8,
        /// Minor number.
        minor: u8,
    },
    /// A dictionary that cannot be read.
    #[error(".npy header: expected {expected} at '{}'", .found.escape_debug())]
    Syntax {
        /// What should be there.
        expected: &'static str,
        /// The beginning of what is there.
        found: String,
    },
    /// The file ends too early.
    #[error("the file ends inside its .npy header")]
    Cut,
    /// An element type the protocol lacks.
    #[error("the array's {0}")]
    Dtype(#[from] DtypeError),
    /// Fields instead of elements.
    #[error(
        "the array's dtype is structured (it has named fields), which the tensor pool protocol \
         has no code for: save one field, or view the array as u8"
    )]
    Structured,
    /// No axis to split on.
    #[error("the array has {dims} dimension(s): frames along axis 0 need at least 2")]
    NoFrames {
        /// How many it has.
        dims: usize,
    },
    /// Axis 0 of a column-major array is not made of whole frames.
    #[error(
        "the array is in Fortran order, so axis 0 is not split into frames: save \
         numpy.ascontiguousarray(a), or publish it as one frame"
    )]
    FortranFrames,
    /// A single number, not an array.
    #[error("the array has no dimensions: save numpy.atleast_1d(a)")]
    Scalar,
    /// More after the array.
    #[error("bytes follow the array: only one array is read from a file")]
    TrailingBytes,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyHeader {
    /// Type of the elements.
    pub element_type: ElementType,
    /// Order of the elements.
    pub major_order: MajorOrder,
    /// Extents; none for a scalar, and an extent may be 0.
    pub extents: Vec<u64>,
}

impl NpyHeader {
    /// Reads a header from the beginning of a file.
    pub fn read(reader: &mut impl Read) -> Result<Self, InputError> {
        let mut start = [0; 8];
        let found = read_full(reader, &mut start)?;
        if found < start.len() || !start.starts_with(MAGIC) {
            return Err(NpyError::NotNpy.into());
        }
        let length_len = match (start[6], start[7]) {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            (major, minor) => return Err(NpyError::Version { major, minor }.into()),
        };
        let mut length = [0; 4];
        if read_full(reader, &mut length[..length_len])? < length_len {
            return Err(NpyError::Cut.into());
        }
        let header_len = u32::from_le_bytes(length) as usize;
        if header_len > MAX_HEADER_LEN {
            return Err(syntax("a header of at most 65536 bytes", &header_len.to_string()).into());
        }
        let mut bytes = vec![0; header_len];
        if read_full(reader, &mut bytes)? < header_len {
            return Err(NpyError::Cut.into());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| syntax("text", "other bytes"))?;
        Ok(Self::parse(text)?)
    }

    fn parse(text: &str) -> Result<Self, NpyError> {
        let mut cursor = Cursor { rest: text };
        let (mut descr, mut order, mut extents) = (None, None, None);
        cursor.expect('{', "a dictionary")?;
        while !cursor.skip('}') {
            let key = cursor.string()?;
            cursor.expect(':', "a colon")?;
            match key {
                "descr" if cursor.peek() == Some('[') => return Err(NpyError::Structured),
                "descr" => descr = Some(ElementType::from_npy_descr(cursor.string()?)?),
                "fortran_order" => order = Some(cursor.boolean()?),
                "shape" => extents = Some(cursor.tuple()?),
                other => return Err(syntax("descr, fortran_order or shape", other)),
            }
            if !cursor.skip(',') {
                cursor.expect('}', "a comma or the end of the dictionary")?;
                break;
            }
        }
        let missing = |key: &'static str| syntax(key, "end of header");
        let is_fortran = order.ok_or_else(|| missing("fortran_order"))?;
        Ok(Self {
            element_type: descr.ok_or_else(|| missing("descr"))?,
            major_order: if is_fortran {
                MajorOrder::Column
            } else {
                MajorOrder::Row
            },
            extents: extents.ok_or_else(|| missing("shape"))?,
        })
    }

    /// The header's bytes, as NumPy writes them: a multiple of 64, padded with spaces, ending in a
    /// newline.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let is_fortran = self.major_order == MajorOrder::Column;
        let mut dictionary = format!(
            "{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}",
            self.element_type.npy_descr(),
            if is_fortran { "True" } else { "False" },
            self.shape_text(),
        );
        let growing = if is_fortran {
            self.extents.last()
        } else {
            self.extents.first()
        };
        if let Some(growing) = growing {
            let spare = GROWTH_DIGITS - growing.to_string().len().min(GROWTH_DIGITS);
            dictionary.extend(std::iter::repeat_n(' ', spare));
        }
        // Magic, version, u16 length, dictionary, newline. Eight extents of 20 digits stay far
        // below 64 KiB.
        let unpadded = MAGIC.len() + 2 + 2 + dictionary.len() + 1;
        let padding = ALIGNMENT - unpadded % ALIGNMENT;
        let header_len = (dictionary.len() + padding + 1) as u16;
        let mut bytes = Vec::with_capacity(unpadded + padding);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[1, 0]);
        bytes.extend_from_slice(&header_len.to_le_bytes());
        bytes.extend_from_slice(dictionary.as_bytes());
        bytes.extend(std::iter::repeat_n(b' ', padding));
        bytes.push(b'\n');
        bytes
    }

    fn shape_text(&self) -> String {
        match self.extents.as_slice() {
            [only] => format!("({only},)"),
            extents => {
                let extents: Vec<String> = extents.iter().map(u64::to_string).collect();
                format!("({})", extents.join(", "))
            }
        }
    }
}

fn syntax(expected: &'static str, found: &str) -> NpyError {
    NpyError::Syntax {
        expected,
        found: found.chars().take(24).collect(),
    }
}

/// Reads the few Python literals a header consists of.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn skip(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        is_there
    }

    fn expect(&mut self, wanted: char, expected: &'static str) -> Result<(), NpyError> {
        if self.skip(wanted) {
            Ok(())
        } else {
            Err(syntax(expected, self.rest))
        }
    }

    fn string(&mut self) -> Result<&'a str, NpyError> {
        let quote = self.peek().filter(|quote| ['\'', '"'].contains(quote));
        let unquoted = quote.and_then(|quote| self.rest[1..].split_once(quote));
        let (text, rest) = unquoted.ok_or_else(|| syntax("a string", self.rest))?;
        self.rest = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        for (word, value) in [("True", true), ("False", false)] {
            self.peek();
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(syntax("True or False", self.rest))
    }

    fn tuple(&mut self) -> Result<Vec<u64>, NpyError> {
        self.expect('(', "a tuple of extents")?;
        let mut extents = Vec::new();
        while !self.skip(')') {
            extents.push(self.integer()?);
            if !self.skip(',') {
                self.expect(')', "a comma or the end of the tuple")?;
                break;
            }
        }
        Ok(extents)
    }

    fn integer(&mut self) -> Result<u64, NpyError> {
        self.peek();
        let digits_len = self
            .rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(self.rest.len());
        let value = self.rest[..digits_len].parse();
        let value = value.map_err(|_| syntax("an extent", self.rest))?;
        self.rest = &self.rest[digits_len..];
        // Python 2 marked long integers.
        self.rest = self.rest.strip_prefix('L').unwrap_or(self.rest);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(extents: &[u64]) -> NpyHeader {
        let element_type = ElementType::F32;
        NpyHeader {
            element_type,
            major_order: MajorOrder::Row,
            extents: extents.to_vec(),
        }
    }

    #[test]
    fn bytes_are_those_numpy_writes() {
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        expected.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (512, 512), }");
        expected.resize(127, b' ');
        expected.push(b'\n');
        assert_eq!(header(&[512, 512]).to_bytes(), expected);
    }

    #[test]
    fn shapes_are_written_as_python_tuples() {
        for (extents, text) in [(&[][..], "()"), (&[5], "(5,)"), (&[2, 3, 4], "(2, 3, 4)")] {
            assert_eq!(header(extents).shape_text(), text);
        }
    }

    #[test]
    fn every_version_and_spelling_is_read() {
        let dictionary = "{\"shape\": (3L, 4), 'fortran_order': True, 'descr': '|u1'}   \n";
        for (version, length_len) in [(1, 2), (2, 4), (3, 4)] {
            let mut bytes = MAGIC.to_vec();
            bytes.extend([version, 0]);
            bytes.extend(&(dictionary.len() as u32).to_le_bytes()[..length_len]);
            bytes.extend(dictionary.as_bytes());
            let header = NpyHeader::read(&mut &bytes[..]).expect("a header");
            assert_eq!(header.extents, [3, 4]);
            assert_eq!(header.element_type, ElementType::U8);
            assert_eq!(header.major_order, MajorOrder::Column);
        }
    }

    #[test]
    fn mistakes_and_foreign_types_are_named() {
        let error = |text: &str| NpyHeader::parse(text).unwrap_err().to_string();
        let typed = |descr: &str| {
            error(&format!(
                "{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}"
            ))
        };
        assert!(typed("'<f2'").contains("dtype '<f2' is half precision (float16)"));
        assert!(typed("'>f4'").contains("big-endian"));
        assert!(typed("'<c16'").contains("complex"));
        assert!(typed("'|O'").contains("Python objects"));
        assert!(typed("[('x', '<f4'), ('y', '<f4')]").contains("structured"));
        assert!(error("{'descr': '<f4', }").contains("expected fortran_order"));
        assert!(error("[1]").contains("expected a dictionary at '[1]'"));
        assert!(error("{'shape': (1, -2), }").contains("expected an extent at '-2), }'"));
    }

    #[test]
    fn other_files_and_versions_are_refused() {
        let error = |bytes: &[u8]| NpyHeader::read(&mut &bytes[..]).unwrap_err().to_string();
        assert!(error(b"PK\x03\x04....").starts_with("not a .npy file"));
        assert!(error(b"\x93NUM").starts_with("not a .npy file"));
        assert!(error(b"\x93NUMPY\x04\x00").starts_with(".npy version 4.0 is not supported"));
        assert!(error(b"\x93NUMPY\x01\x00\x76\x00{").contains("ends inside its"));
        assert!(error(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("at most 65536"));
    }

    proptest! {
        #[test]
        fn reading_any_bytes_never_panics(tail: Vec<u8>, version in 0_u8..5) {
            let bytes = [MAGIC, &[version, 0][..], &tail].concat();
            let _either = NpyHeader::read(&mut &bytes[..]);
        }

        #[test]
        fn parsing_any_text_never_panics(text in "[{}()\\[\\]:,'\" a-zA-Z0-9]{0,60}") {
            let _either = NpyHeader::parse(&text);
        }

        #[test]
        fn what_is_written_is_read_back(
            extents in prop::collection::vec(0_u64.., 0..9), fortran: bool, index in 0_usize..11,
        ) {
            let major_order = if fortran { MajorOrder::Column } else { MajorOrder::Row };
            let header = NpyHeader { element_type: ElementType::ALL[index], major_order, extents };
            let bytes = header.to_bytes();
            prop_assert_eq!(bytes.len() % 64, 0);
            prop_assert_eq!(bytes.last(), Some(&b'\n'));
            prop_assert_eq!(NpyHeader::read(&mut &bytes[..]).expect("reads"), header);
        }
    }
}
