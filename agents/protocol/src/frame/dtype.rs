//! Element types, major orders and progress units, with the numbers of the wire.

/// The type of one element, with the numbers of the wire (Wire v1.2, `Dtype`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Unsigned 8-bit integer.
    Uint8,
    /// Signed 8-bit integer.
    Int8,
    /// Unsigned 16-bit integer.
    Uint16,
    /// Signed 16-bit integer.
    Int16,
    /// Unsigned 32-bit integer.
    Uint32,
    /// Signed 32-bit integer.
    Int32,
    /// Unsigned 64-bit integer.
    Uint64,
    /// Signed 64-bit integer.
    Int64,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// One byte, 0 or 1.
    Boolean,
    /// Opaque bytes.
    Bytes,
    /// Counted as one byte per element: packing eight to a byte is the application's business.
    Bit,
}

impl Dtype {
    /// Every element type, in wire order.
    pub const ALL: [Self; 13] = [
        Self::Uint8,
        Self::Int8,
        Self::Uint16,
        Self::Int16,
        Self::Uint32,
        Self::Int32,
        Self::Uint64,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::Boolean,
        Self::Bytes,
        Self::Bit,
    ];

    /// The type with this wire number; `None` for 0 (unknown), 12 (unassigned) and anything else.
    #[must_use]
    pub const fn from_wire(value: i16) -> Option<Self> {
        Some(match value {
            1 => Self::Uint8,
            2 => Self::Int8,
            3 => Self::Uint16,
            4 => Self::Int16,
            5 => Self::Uint32,
            6 => Self::Int32,
            7 => Self::Uint64,
            8 => Self::Int64,
            9 => Self::Float32,
            10 => Self::Float64,
            11 => Self::Boolean,
            13 => Self::Bytes,
            14 => Self::Bit,
            _ => return None,
        })
    }

    /// The number this type has on the wire.
    #[must_use]
    pub const fn wire(self) -> i16 {
        match self {
            Self::Uint8 => 1,
            Self::Int8 => 2,
            Self::Uint16 => 3,
            Self::Int16 => 4,
            Self::Uint32 => 5,
            Self::Int32 => 6,
            Self::Uint64 => 7,
            Self::Int64 => 8,
            Self::Float32 => 9,
            Self::Float64 => 10,
            Self::Boolean => 11,
            Self::Bytes => 13,
            Self::Bit => 14,
        }
    }

    /// Bytes per element.
    #[must_use]
    pub const fn element_len(self) -> u64 {
        match self {
            Self::Uint8 | Self::Int8 | Self::Boolean | Self::Bytes | Self::Bit => 1,
            Self::Uint16 | Self::Int16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Uint64 | Self::Int64 | Self::Float64 => 8,
        }
    }

    /// Lower-case name as the command line spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
            Self::Uint16 => "uint16",
            Self::Int16 => "int16",
            Self::Uint32 => "uint32",
            Self::Int32 => "int32",
            Self::Uint64 => "uint64",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Boolean => "bool",
            Self::Bytes => "bytes",
            Self::Bit => "bit",
        }
    }
}

/// Which axis varies fastest in memory (Wire v1.2, `MajorOrder`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MajorOrder {
    /// The last axis is innermost (C order).
    Row,
    /// The first axis is innermost (Fortran order).
    Column,
}

impl MajorOrder {
    /// The order with this wire number; `None` for 0 (unknown) and anything else.
    #[must_use]
    pub const fn from_wire(value: i16) -> Option<Self> {
        match value {
            1 => Some(Self::Row),
            2 => Some(Self::Column),
            _ => None,
        }
    }

    /// The number this order has on the wire.
    #[must_use]
    pub const fn wire(self) -> i16 {
        match self {
            Self::Row => 1,
            Self::Column => 2,
        }
    }
}

/// What a producer reports progress in (Wire v1.2, `ProgressUnit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProgressUnit {
    /// No progress is reported in units of an axis.
    #[default]
    None,
    /// Progress in steps of axis 0, whatever the major order.
    Rows,
    /// Progress in steps of axis 1, whatever the major order.
    Columns,
}

impl ProgressUnit {
    /// The unit with this wire number.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::None),
            1 => Some(Self::Rows),
            2 => Some(Self::Columns),
            _ => None,
        }
    }

    /// The number this unit has on the wire.
    #[must_use]
    pub const fn wire(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Rows => 1,
            Self::Columns => 2,
        }
    }
}
