//! What can be wrong with bytes, and with values that are to become bytes.
//!
//! Written out by hand because this crate has no dependencies. Errors are plain and `Copy`: a bad
//! message on a hot stream costs no allocation.

use core::error::Error;
use core::fmt;

/// Why bytes are not the message they were taken for. The message is to be dropped and counted.
///
/// `what` names the message and the member, such as `ShmPoolAnnounce.payloadPools.regionUri`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the member does.
    Truncated {
        /// The member that does not fit.
        what: &'static str,
        /// Bytes it needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// Schema or template are those of another message; [`gate`](crate::gate::gate) tells which.
    WrongMessage {
        /// The message asked for.
        what: &'static str,
        /// Its schema.
        expected_schema: u16,
        /// Its template.
        expected_template: u16,
        /// The schema the header names.
        found_schema: u16,
        /// The template the header names.
        found_template: u16,
    },
    /// The header names a version that never existed (versions start at 1) or, for an embedded
    /// header, one that is not ours.
    UnsupportedVersion {
        /// The message asked for.
        what: &'static str,
        /// The version the header names.
        found: u16,
    },
    /// A block is shorter than the fields it must hold, or not of the one length allowed.
    BlockLength {
        /// The message or group.
        what: &'static str,
        /// The block length expected, or more.
        expected: u16,
        /// The block length found.
        found: u16,
    },
    /// A group claims more entries than the remaining bytes can hold.
    GroupTooLarge {
        /// The group.
        what: &'static str,
        /// Entries claimed.
        count: u16,
        /// Bytes that are left.
        available: usize,
    },
    /// A string or blob is longer than its type allows.
    DataTooLong {
        /// The member.
        what: &'static str,
        /// Bytes claimed.
        len: u32,
        /// Bytes allowed.
        max: u32,
    },
    /// An enumeration has a value this version does not know.
    UnknownEnum {
        /// The field.
        what: &'static str,
        /// The value found.
        value: i64,
    },
    /// The length word of a header slot is not that of an embedded tensor header.
    SlotHeaderLength {
        /// The length expected: 192.
        expected: u32,
        /// The length found.
        found: u32,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated {
                what,
                needed,
                available,
            } => {
                write!(f, "{what}: needs {needed} bytes, {available} left")
            }
            Self::WrongMessage {
                what,
                expected_schema,
                expected_template,
                found_schema,
                found_template,
            } => write!(
                f,
                "{what}: expected schema {expected_schema} template {expected_template}, \
                 found schema {found_schema} template {found_template}"
            ),
            Self::UnsupportedVersion { what, found } => {
                write!(f, "{what}: version {found} is not supported, expected 1")
            }
            Self::BlockLength {
                what,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{what}: expected a block of {expected} bytes, found {found}"
                )
            }
            Self::GroupTooLarge {
                what,
                count,
                available,
            } => {
                write!(
                    f,
                    "{what}: {count} entries cannot fit the {available} bytes left"
                )
            }
            Self::DataTooLong { what, len, max } => {
                write!(f, "{what}: {len} bytes, at most {max} are allowed")
            }
            Self::UnknownEnum { what, value } => write!(f, "{what}: unknown value {value}"),
            Self::SlotHeaderLength { expected, found } => {
                write!(
                    f,
                    "header slot: expected {expected} header bytes, found {found}"
                )
            }
        }
    }
}

impl Error for DecodeError {}

/// Why a value cannot be encoded. Nothing useful is in the buffer then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is shorter than `encoded_len`.
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        available: usize,
    },
    /// More entries than a group can count.
    GroupTooLarge {
        /// The group.
        what: &'static str,
        /// Entries given; 65535 is the most.
        count: usize,
    },
    /// A string or blob is longer than its type allows.
    DataTooLong {
        /// The member.
        what: &'static str,
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: u32,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BufferTooSmall { needed, available } => {
                write!(
                    f,
                    "the message takes {needed} bytes, the buffer has {available}"
                )
            }
            Self::GroupTooLarge { what, count } => {
                write!(f, "{what}: {count} entries, at most 65535 are allowed")
            }
            Self::DataTooLong { what, len, max } => {
                write!(f, "{what}: {len} bytes, at most {max} are allowed")
            }
        }
    }
}

impl Error for EncodeError {}
