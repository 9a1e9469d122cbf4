//! What a schema says, once understood: offsets computed, types resolved, nothing optional left to
//! guess.

/// One schema file.
#[derive(Debug)]
pub(crate) struct Schema {
    /// File stem; the name of the generated module.
    pub(crate) module: String,
    pub(crate) id: u16,
    pub(crate) version: u16,
    pub(crate) package: String,
    pub(crate) description: String,
    pub(crate) enums: Vec<Enum>,
    pub(crate) messages: Vec<Message>,
}

/// Little-endian primitive types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
}

impl Primitive {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "uint8" => Self::U8,
            "uint16" => Self::U16,
            "uint32" => Self::U32,
            "uint64" => Self::U64,
            "int8" => Self::I8,
            "int16" => Self::I16,
            "int32" => Self::I32,
            "int64" => Self::I64,
            _ => return None,
        })
    }

    pub(crate) const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::U64 | Self::I64 => 8,
        }
    }

    pub(crate) const fn rust(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }

    pub(crate) const fn min(self) -> i128 {
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => 0,
            Self::I8 => i8::MIN as i128,
            Self::I16 => i16::MIN as i128,
            Self::I32 => i32::MIN as i128,
            Self::I64 => i64::MIN as i128,
        }
    }

    pub(crate) const fn max(self) -> i128 {
        match self {
            Self::U8 => u8::MAX as i128,
            Self::U16 => u16::MAX as i128,
            Self::U32 => u32::MAX as i128,
            Self::U64 => u64::MAX as i128,
            Self::I8 => i8::MAX as i128,
            Self::I16 => i16::MAX as i128,
            Self::I32 => i32::MAX as i128,
            Self::I64 => i64::MAX as i128,
        }
    }

    /// The null value of the type: all ones when unsigned, the least number when signed.
    pub(crate) const fn null(self) -> i128 {
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => self.max(),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => self.min(),
        }
    }

    pub(crate) const fn contains(self, value: i128) -> bool {
        self.min() <= value && value <= self.max()
    }
}

/// An enumeration.
#[derive(Clone, Debug)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) repr: Primitive,
    pub(crate) description: String,
    pub(crate) values: Vec<EnumValue>,
}

impl Enum {
    /// An enumeration of exactly FALSE and TRUE becomes `bool`.
    pub(crate) fn is_bool(&self) -> bool {
        let [no, yes] = self.values.as_slice() else {
            return false;
        };
        self.repr == Primitive::U8
            && (no.name.as_str(), no.value) == ("FALSE", 0)
            && (yes.name.as_str(), yes.value) == ("TRUE", 1)
    }
}

/// One value of an enumeration.
#[derive(Clone, Debug)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) value: i128,
    pub(crate) description: String,
}

/// A message, or a structure in shared memory.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) id: u16,
    pub(crate) description: String,
    /// Lies in shared memory without a message header.
    pub(crate) shared_memory: bool,
    pub(crate) members: Members,
}

/// What a message or a group entry consists of, in wire order.
#[derive(Debug)]
pub(crate) struct Members {
    /// Bytes of the block, padding included.
    pub(crate) block_len: u16,
    pub(crate) fields: Vec<Field>,
    pub(crate) groups: Vec<Group>,
    pub(crate) data: Vec<Data>,
}

impl Members {
    /// Whether the size never varies.
    pub(crate) fn is_fixed(&self) -> bool {
        self.groups.is_empty() && self.data.is_empty()
    }

    /// Whether there are bytes in the block that no field covers.
    pub(crate) fn has_padding(&self) -> bool {
        let covered: usize = self.fields.iter().map(|field| field.kind.size()).sum();
        covered < usize::from(self.block_len)
    }

    /// Bytes it takes at least, without a message header.
    pub(crate) fn min_len(&self) -> usize {
        usize::from(self.block_len) + 4 * (self.groups.len() + self.data.len())
    }
}

/// A field of a block.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) offset: usize,
    pub(crate) kind: FieldKind,
}

/// What a field is.
#[derive(Debug)]
pub(crate) enum FieldKind {
    Number {
        repr: Primitive,
        nulls: Nulls,
    },
    Array {
        repr: Primitive,
        len: usize,
    },
    Enum {
        of: Enum,
        nulls: Nulls,
    },
    /// Takes no bytes.
    Constant {
        repr: Primitive,
        value: i128,
    },
}

impl FieldKind {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Number { repr, .. } => repr.size(),
            Self::Array { repr, len } => repr.size() * len,
            Self::Enum { of, .. } => of.repr.size(),
            Self::Constant { .. } => 0,
        }
    }
}

/// The values that mean absent: none for a required field. The first is the one that gets written;
/// the null value of the type is understood as well, because most code generators ignore the one
/// declared on a field.
pub(crate) type Nulls = Vec<i128>;

/// A repeating group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) members: Members,
    /// The only member was declared as a field of variable length: on the wire the block length is
    /// 0, and 4 is accepted for those who count the length word.
    pub(crate) irregular: bool,
}

/// A string or blob.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) max_len: u32,
}
