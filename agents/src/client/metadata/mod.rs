//! Metadata and blobs on their way between applications and the metadata stream.
//!
//! ```text
//!  application's thread        conductor's thread
//!  MetadataEditor ─ command ──▶ MetadataOut ─────▶ 1300      one per producer that uses it
//!  Consumer::metadata ◀─────── MetadataIn  ◀───── 1300      one per client, once asked for
//! ```
//! What is sent when, and what is made of what was heard, is decided by
//! `tensorpool_protocol::client::metadata`.

mod editor;
mod inbound;
mod outbound;
mod received;
mod wire;

pub(super) use editor::MetadataEditor;
pub(super) use inbound::MetadataIn;
pub(super) use outbound::MetadataOut;
pub(super) use received::MetadataReader;
pub use received::ReceivedBlob;
