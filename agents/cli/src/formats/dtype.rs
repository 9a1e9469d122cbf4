//! Element types: their names on the command line, in NumPy files and on the wire.

use std::fmt;
use std::str::FromStr;

/// The element types the protocol has. All are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 8-bit unsigned.
    U8,
    /// 8-bit signed.
    I8,
    /// 16-bit unsigned.
    U16,
    /// 16-bit signed.
    I16,
    /// 32-bit unsigned.
    U32,
    /// 32-bit signed.
    I32,
    /// 64-bit unsigned.
    U64,
    /// 64-bit signed.
    I64,
    /// IEEE 754 single.
    F32,
    /// IEEE 754 double.
    F64,
    /// One byte, 0 or 1.
    Bool,
    /// Bytes without meaning.
    Bytes,
}

use ElementType as E;

/// Type, name here, NumPy's name, NumPy's file code, code on the wire (Wire v1.2, enum Dtype).
const TABLE: [(ElementType, &str, &str, &str, i16); 12] = [
    (E::U8, "u8", "uint8", "|u1", 1),
    (E::I8, "i8", "int8", "|i1", 2),
    (E::U16, "u16", "uint16", "<u2", 3),
    (E::I16, "i16", "int16", "<i2", 4),
    (E::U32, "u32", "uint32", "<u4", 5),
    (E::I32, "i32", "int32", "<i4", 6),
    (E::U64, "u64", "uint64", "<u8", 7),
    (E::I64, "i64", "int64", "<i8", 8),
    (E::F32, "f32", "float32", "<f4", 9),
    (E::F64, "f64", "float64", "<f8", 10),
    (E::Bool, "bool", "bool_", "|b1", 11),
    (E::Bytes, "bytes", "bytes", "|u1", 13),
];

impl ElementType {
    /// Every element type, in wire order.
    pub const ALL: [Self; 12] = [
        E::U8,
        E::I8,
        E::U16,
        E::I16,
        E::U32,
        E::I32,
        E::U64,
        E::I64,
        E::F32,
        E::F64,
        E::Bool,
        E::Bytes,
    ];

    fn row(self) -> &'static (ElementType, &'static str, &'static str, &'static str, i16) {
        &TABLE[self as usize]
    }

    /// Bytes of one element.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool | Self::Bytes => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The code in a tensor header.
    #[must_use]
    pub fn wire_code(self) -> i16 {
        self.row().4
    }

    /// The type of a code in a tensor header, if it has a size here.
    #[must_use]
    pub fn from_wire_code(code: i16) -> Option<Self> {
        TABLE.iter().find(|row| row.4 == code).map(|row| row.0)
    }

    /// How NumPy writes it in a `.npy` header. Bytes are written as unsigned integers.
    #[must_use]
    pub fn npy_descr(self) -> &'static str {
        self.row().3
    }

    /// Reads the `descr` of a `.npy` header.
    pub fn from_npy_descr(descr: &str) -> Result<Self, DtypeError> {
        let (order, code) = match descr.chars().next() {
            Some(order @ ('<' | '>' | '|' | '=')) => (order, &descr[1..]),
            Some(_) | None => ('=', descr),
        };
        let found = TABLE.iter().find(|row| &row.3[1..] == code);
        let Some((element_type, ..)) = found else {
            return Err(refusal_of_code(descr, code));
        };
        if order == '>' && element_type.size_bytes() > 1 {
            return Err(unsupported(descr, "big-endian data"));
        }
        Ok(*element_type)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

/// An element type that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtypeError {
    /// It exists, but the protocol has no code for it.
    #[error(
        "dtype '{}' is {what}, which the tensor pool protocol has no code for: \
         convert to one of {NAMES}",
        .given.escape_debug()
    )]
    Unsupported {
        /// What was given.
        given: String,
        /// What that is called.
        what: &'static str,
    },
    /// It does not exist.
    #[error(
        "unknown dtype '{}': expected one of {NAMES}, or a NumPy name such as float32 or <f4",
        .given.escape_debug()
    )]
    Unknown {
        /// What was given.
        given: String,
    },
}

const NAMES: &str = "u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, bool, bytes";

fn unsupported(given: &str, what: &'static str) -> DtypeError {
    DtypeError::Unsupported {
        given: given.to_owned(),
        what,
    }
}

fn refusal_of_code(given: &str, code: &str) -> DtypeError {
    let what = match (code.chars().next(), code) {
        (_, "f2") => "half precision (float16)",
        (_, "f12" | "f16") => "extended precision (longdouble)",
        (Some('c'), _) => "complex",
        (Some('O'), _) => "Python objects",
        (Some('S' | 'a' | 'U'), _) => "text",
        (Some('V'), _) => "structured or void data",
        (Some('M' | 'm'), _) => "dates and times",
        _ => {
            return DtypeError::Unknown {
                given: given.to_owned(),
            };
        }
    };
    unsupported(given, what)
}

impl FromStr for ElementType {
    type Err = DtypeError;

    /// `f32`, `float32` or `<f4`. Without a byte-order mark the number counts bits: `u8` is one
    /// byte.
    fn from_str(text: &str) -> Result<Self, DtypeError> {
        let text = text.trim();
        if text.starts_with(['<', '>', '|', '=']) {
            return Self::from_npy_descr(text);
        }
        let name = text.to_ascii_lowercase();
        let found = TABLE.iter().find(|row| row.1 == name || row.2 == name);
        if let Some((element_type, ..)) = found {
            return Ok(*element_type);
        }
        let what = match name.as_str() {
            "f16" | "float16" | "half" => "half precision (float16)",
            "bf16" | "bfloat16" => "bfloat16",
            "f128" | "float128" | "f96" | "float96" | "longdouble" => {
                "extended precision (longdouble)"
            }
            "object" => "Python objects",
            "str" | "string" | "unicode" => "text",
            "datetime64" | "timedelta64" => "dates and times",
            "void" | "record" | "structured" => "structured or void data",
            name if name.starts_with("complex")
                || ["c64", "c128", "cf32", "cf64"].contains(&name) =>
            {
                "complex"
            }
            name if name.ends_with("be") => "big-endian data",
            _ => {
                return Err(DtypeError::Unknown {
                    given: text.to_owned(),
                });
            }
        };
        Err(unsupported(text, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_by_all_its_names_and_its_wire_code() {
        for (index, element_type) in ElementType::ALL.into_iter().enumerate() {
            let (in_table, name, numpy_name, _, code) = TABLE[index];
            assert_eq!(in_table, element_type);
            assert_eq!(name.parse(), Ok(element_type));
            assert_eq!(numpy_name.parse(), Ok(element_type));
            assert_eq!(ElementType::from_wire_code(code), Some(element_type));
            assert_eq!(element_type.to_string(), name);
            if element_type != ElementType::Bytes {
                assert_eq!(element_type.npy_descr().parse(), Ok(element_type));
            }
        }
        assert_eq!(ElementType::from_wire_code(12), None);
    }

    #[test]
    fn bare_names_count_bits_and_marked_ones_bytes() {
        assert_eq!("u8".parse(), Ok(ElementType::U8));
        assert_eq!("<u8".parse(), Ok(ElementType::U64));
        assert_eq!("BOOL".parse(), Ok(ElementType::Bool));
        assert_eq!(">u1".parse(), Ok(ElementType::U8), "one byte has no order");
    }

    #[test]
    fn what_the_protocol_lacks_is_refused_by_name() {
        for (given, what) in [
            ("f16", "half precision"),
            ("<f2", "half precision"),
            ("<f16", "extended precision"),
            ("bf16", "bfloat16"),
            ("bfloat16", "bfloat16"),
            ("complex64", "complex"),
            ("<c8", "complex"),
            (">f4", "big-endian"),
            (">i2", "big-endian"),
            ("|O", "Python objects"),
            ("|V12", "structured"),
            ("<U8", "text"),
            ("<M8[ns]", "dates"),
        ] {
            let message = given.parse::<ElementType>().unwrap_err().to_string();
            assert!(message.contains(what), "{given}: {message}");
            assert!(
                message.starts_with(&format!("dtype '{given}' is ")),
                "{message}"
            );
        }
        let message = "f4".parse::<ElementType>().unwrap_err().to_string();
        assert!(
            message.starts_with("unknown dtype 'f4': expected one of u8, i8"),
            "{message}"
        );
    }
}
