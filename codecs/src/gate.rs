//! Tells the messages of a mixed stream apart.
//!
//! Control streams carry several schemas, and template ids repeat across them: nothing may be
//! decoded before schema and template are known. The gate looks at the header only; block lengths
//! and contents are for `decode`.

use core::error::Error;
use core::fmt;

use crate::header::MessageHeader;
use crate::{bridge, discovery, driver, event, merge, tracelink, wire};

/// Which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Schema 900: frames and their control.
    Wire(wire::Template),
    /// Schema 901: clients and the driver.
    Driver(driver::Template),
    /// Schema 902: frames between machines.
    Bridge(bridge::Template),
    /// Schema 903: merge maps.
    Merge(merge::Template),
    /// Schema 904: lineage.
    TraceLink(tracelink::Template),
    /// Schema 910: discovery.
    Discovery(discovery::Template),
    /// Schema 950: service events.
    Event(event::Template),
}

impl Message {
    /// The message with these ids, if there is one.
    ///
    /// # Errors
    /// [`GateError::UnknownSchema`] or [`GateError::UnknownTemplate`].
    pub fn from_ids(schema_id: u16, template_id: u16) -> Result<Self, GateError> {
        // [TP-WIRE-0210]
        let message = match schema_id {
            wire::SCHEMA_ID => wire::Template::from_id(template_id).map(Self::Wire),
            driver::SCHEMA_ID => driver::Template::from_id(template_id).map(Self::Driver),
            bridge::SCHEMA_ID => bridge::Template::from_id(template_id).map(Self::Bridge),
            merge::SCHEMA_ID => merge::Template::from_id(template_id).map(Self::Merge),
            tracelink::SCHEMA_ID => tracelink::Template::from_id(template_id).map(Self::TraceLink),
            discovery::SCHEMA_ID => discovery::Template::from_id(template_id).map(Self::Discovery),
            event::SCHEMA_ID => event::Template::from_id(template_id).map(Self::Event),
            _ => {
                // [TP-WIRE-0230]
                return Err(GateError::UnknownSchema {
                    schema_id,
                    template_id,
                });
            }
        };
        // [TP-WIRE-0230] [TP-WIRE-0240]
        message.ok_or(GateError::UnknownTemplate {
            schema_id,
            template_id,
        })
    }

    /// The message's name in its schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire(template) => template.name(),
            Self::Driver(template) => template.name(),
            Self::Bridge(template) => template.name(),
            Self::Merge(template) => template.name(),
            Self::TraceLink(template) => template.name(),
            Self::Discovery(template) => template.name(),
            Self::Event(template) => template.name(),
        }
    }
}

/// What the header of a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gated {
    /// Which message it is.
    pub message: Message,
    /// Its header: schema, template, version and block length as sent.
    pub header: MessageHeader,
    /// Bytes in all, with the header.
    pub len: usize,
}

/// Why a message is none of ours. Unknown schemas and templates are normal on a shared stream: skip
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GateError {
    /// Too short for a message header.
    TooShort {
        /// Bytes there are; 8 are needed.
        len: usize,
    },
    /// A schema this version does not know.
    UnknownSchema {
        /// The schema.
        schema_id: u16,
        /// The template within it.
        template_id: u16,
    },
    /// A template that its schema does not have, or one that never travels in a message.
    UnknownTemplate {
        /// The schema.
        schema_id: u16,
        /// The template.
        template_id: u16,
    },
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { len } => write!(f, "{len} bytes are no message, a header takes 8"),
            Self::UnknownSchema {
                schema_id,
                template_id,
            } => {
                write!(f, "unknown schema {schema_id} (template {template_id})")
            }
            Self::UnknownTemplate {
                schema_id,
                template_id,
            } => {
                write!(
                    f,
                    "schema {schema_id} has no message with template {template_id}"
                )
            }
        }
    }
}

impl Error for GateError {}

/// Tells what `bytes` are, from their header alone.
///
/// # Errors
/// [`GateError`] when there is no header, or when it names a message this version does not know.
#[inline]
pub fn gate(bytes: &[u8]) -> Result<Gated, GateError> {
    let Ok(header) = MessageHeader::decode(bytes) else {
        return Err(GateError::TooShort { len: bytes.len() });
    };
    let message = Message::from_ids(header.schema_id, header.template_id)?;
    Ok(Gated {
        message,
        header,
        len: bytes.len(),
    })
}
