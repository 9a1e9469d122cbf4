//! Metadata messages: from what the cores want to say to bytes, and from bytes to what they are
//! told. Decides nothing.

use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::types::{ClientId, Epoch, MetaVersion, NanoTime, StreamId};
use tensorpool_codecs::wire::{
    DataSourceAnnounce, DataSourceMeta, DataSourceMetaAttribute, DataSourceMetaView,
    MetaBlobAnnounce, MetaBlobChunk, MetaBlobComplete, Template,
};
use tensorpool_codecs::{DecodeError, EncodeError};
use tensorpool_protocol::client::metadata::{
    Attribute, BlobAnnounce, BlobChunk, BlobComplete, BlobMessage, MetadataMessage, SourceAnnounce,
    SourceAttributes,
};

/// Bytes of a MetaBlobChunk beside the chunk: header, block, length.
pub(super) const CHUNK_OVERHEAD: usize = 8 + 16 + 4;

/// Writes a message to the start of `buffer`, which grows if it must; gives its length.
///
/// # Errors
/// None for metadata that was checked.
pub(super) fn encode(
    message: &MetadataMessage<'_>,
    buffer: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    match *message {
        MetadataMessage::Announce {
            source,
            version,
            metadata,
        } => {
            let announce = DataSourceAnnounce {
                stream_id: source.stream_id.get(),
                producer_id: source.client_id.get(),
                epoch: source.epoch.get(),
                meta_version: version.get(),
                name: metadata.name().as_bytes(),
                summary: metadata.summary().as_bytes(),
            };
            announce.encode(room(buffer, announce.encoded_len()?))
        }
        MetadataMessage::Attributes {
            stream_id,
            version,
            since,
            metadata,
        } => {
            let attributes = metadata.attributes().iter();
            let attributes: Vec<_> = attributes
                .map(|attribute| DataSourceMetaAttribute {
                    key: attribute.key.as_bytes(),
                    format: attribute.format.as_bytes(),
                    value: &attribute.value,
                })
                .collect();
            let meta = DataSourceMeta {
                stream_id: stream_id.get(),
                meta_version: version.get(),
                timestamp_ns: since.get(),
                attributes: &attributes,
            };
            meta.encode(room(buffer, meta.encoded_len()?))
        }
    }
}

/// The same for a message of a blob.
///
/// # Errors
/// None for chunks of [`CHUNK_MAX`](tensorpool_protocol::client::metadata::CHUNK_MAX).
pub(super) fn encode_blob(
    message: &BlobMessage<'_>,
    buffer: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    match *message {
        BlobMessage::Announce(announce) => MetaBlobAnnounce {
            stream_id: announce.stream_id.get(),
            meta_version: announce.version.get(),
            blob_type: announce.blob_type,
            total_len: announce.total_len,
            checksum: announce.checksum,
        }
        .encode(room(buffer, MetaBlobAnnounce::ENCODED_LEN)),
        BlobMessage::Chunk(chunk) => MetaBlobChunk {
            stream_id: chunk.stream_id.get(),
            meta_version: chunk.version.get(),
            chunk_offset: chunk.offset,
            bytes: chunk.bytes,
        }
        .encode(room(buffer, CHUNK_OVERHEAD + chunk.bytes.len())),
        BlobMessage::Complete(complete) => MetaBlobComplete {
            stream_id: complete.stream_id.get(),
            meta_version: complete.version.get(),
            checksum: complete.checksum,
        }
        .encode(room(buffer, MetaBlobComplete::ENCODED_LEN)),
    }
}

fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    buffer
}

/// A message of the metadata stream, not copied yet.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    Announce(DataSourceAnnounce<'a>),
    Attributes(DataSourceMetaView<'a>),
    BlobAnnounce(BlobAnnounce),
    BlobChunk(BlobChunk<'a>),
    BlobComplete(BlobComplete),
}

/// What a message says; `None` for one that is not of this stream.
///
/// # Errors
/// When it claims to be and does not decode. Attributes are read whole or not at all: [TP-CLI-2780].
pub(super) fn decode(bytes: &[u8]) -> Result<Option<Heard<'_>>, DecodeError> {
    // Schema and template, not the template alone: they repeat in every schema.
    let Ok(Message::Wire(template)) = gate(bytes).map(|gated| gated.message) else {
        return Ok(None);
    };
    Ok(Some(match template {
        Template::DataSourceAnnounce => Heard::Announce(DataSourceAnnounce::decode(bytes)?),
        Template::DataSourceMeta => Heard::Attributes(DataSourceMetaView::decode(bytes)?),
        Template::MetaBlobAnnounce => {
            let announce = MetaBlobAnnounce::decode(bytes)?;
            Heard::BlobAnnounce(BlobAnnounce {
                stream_id: StreamId::new(announce.stream_id),
                version: MetaVersion::new(announce.meta_version),
                blob_type: announce.blob_type,
                total_len: announce.total_len,
                checksum: announce.checksum,
            })
        }
        Template::MetaBlobChunk => {
            let chunk = MetaBlobChunk::decode(bytes)?;
            Heard::BlobChunk(BlobChunk {
                stream_id: StreamId::new(chunk.stream_id),
                version: MetaVersion::new(chunk.meta_version),
                offset: chunk.chunk_offset,
                bytes: chunk.bytes,
            })
        }
        Template::MetaBlobComplete => {
            let complete = MetaBlobComplete::decode(bytes)?;
            Heard::BlobComplete(BlobComplete {
                stream_id: StreamId::new(complete.stream_id),
                version: MetaVersion::new(complete.meta_version),
                checksum: complete.checksum,
            })
        }
        Template::ShmPoolAnnounce
        | Template::ConsumerHello
        | Template::ConsumerConfig
        | Template::FrameDescriptor
        | Template::FrameProgress
        | Template::QosConsumer
        | Template::QosProducer
        | Template::TensorHeader
        | Template::ControlResponse => return Ok(None),
    }))
}

impl Heard<'_> {
    pub(super) fn stream_id(&self) -> StreamId {
        match self {
            Self::Announce(announce) => StreamId::new(announce.stream_id),
            Self::Attributes(attributes) => StreamId::new(attributes.stream_id),
            Self::BlobAnnounce(announce) => announce.stream_id,
            Self::BlobChunk(chunk) => chunk.stream_id,
            Self::BlobComplete(complete) => complete.stream_id,
        }
    }
}

pub(super) fn announce(heard: &DataSourceAnnounce<'_>) -> SourceAnnounce {
    SourceAnnounce {
        stream_id: StreamId::new(heard.stream_id),
        producer_id: ClientId::new(heard.producer_id),
        epoch: Epoch::new(heard.epoch),
        version: MetaVersion::new(heard.meta_version),
        name: text(heard.name),
        summary: text(heard.summary),
    }
}

pub(super) fn attributes(heard: &DataSourceMetaView<'_>) -> SourceAttributes {
    let attributes = heard.attributes.iter().map(|attribute| Attribute {
        key: text(attribute.key),
        format: text(attribute.format),
        value: attribute.value.to_vec(),
    });
    SourceAttributes {
        stream_id: StreamId::new(heard.stream_id),
        version: MetaVersion::new(heard.meta_version),
        timestamp: NanoTime::new(heard.timestamp_ns),
        attributes: attributes.collect(),
    }
}

/// Some write other text than ASCII: what cannot be read is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use tensorpool_protocol::client::metadata::{Metadata, MetadataSource};

    use super::*;

    fn sample() -> Metadata {
        Metadata::builder()
            .name("camera 1")
            .summary("u16 480x640")
            .text("exposure", "10 ms")
            .attribute("offsets", "application/octet-stream", [0, 1, 255])
            .build()
    }

    #[test]
    fn what_is_said_is_what_is_heard() {
        let metadata = sample();
        let mut buffer = Vec::new();
        let source = MetadataSource {
            stream_id: StreamId::new(7),
            client_id: ClientId::new(8),
            epoch: Epoch::new(9),
        };
        let message = MetadataMessage::Announce {
            source,
            version: MetaVersion::new(3),
            metadata: &metadata,
        };
        let len = encode(&message, &mut buffer).unwrap();
        assert_eq!(len, metadata.announce_len());
        let heard = decode(&buffer[..len]).unwrap().unwrap();
        assert_eq!(heard.stream_id(), source.stream_id);
        let Heard::Announce(heard) = heard else {
            panic!("{heard:?}");
        };
        let expected = SourceAnnounce {
            stream_id: source.stream_id,
            producer_id: source.client_id,
            epoch: source.epoch,
            version: MetaVersion::new(3),
            name: "camera 1".into(),
            summary: "u16 480x640".into(),
        };
        assert_eq!(announce(&heard), expected);
        let message = MetadataMessage::Attributes {
            stream_id: source.stream_id,
            version: MetaVersion::new(3),
            since: NanoTime::new(4),
            metadata: &metadata,
        };
        let len = encode(&message, &mut buffer).unwrap();
        assert_eq!(len, metadata.meta_len());
        match decode(&buffer[..len]).unwrap().unwrap() {
            Heard::Attributes(heard) => {
                let expected = SourceAttributes {
                    stream_id: source.stream_id,
                    version: MetaVersion::new(3),
                    timestamp: NanoTime::new(4),
                    attributes: metadata.attributes().to_vec(),
                };
                assert_eq!(attributes(&heard), expected);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn chunks_take_as_many_bytes_beside_them_as_is_reckoned_with() {
        let bytes = [7; 100];
        let chunk = BlobChunk {
            stream_id: StreamId::new(7),
            version: MetaVersion::new(3),
            offset: 50,
            bytes: &bytes,
        };
        let mut buffer = Vec::new();
        let len = encode_blob(&BlobMessage::Chunk(chunk), &mut buffer).unwrap();
        assert_eq!(len, CHUNK_OVERHEAD + bytes.len());
        let heard = decode(&buffer[..len]).unwrap();
        assert!(matches!(heard, Some(Heard::BlobChunk(heard)) if heard == chunk));
    }

    /// Proves [TP-CLI-2780].
    #[test]
    fn attributes_that_are_cut_off_anywhere_are_not_read() {
        let metadata = sample();
        let mut buffer = Vec::new();
        let message = MetadataMessage::Attributes {
            stream_id: StreamId::new(7),
            version: MetaVersion::new(3),
            since: NanoTime::new(4),
            metadata: &metadata,
        };
        let len = encode(&message, &mut buffer).unwrap();
        assert!(matches!(decode(&buffer[..len]), Ok(Some(_))));
        for shorter in 8..len {
            assert!(decode(&buffer[..shorter]).is_err(), "{shorter} of {len}");
        }
    }

    #[test]
    fn other_messages_and_other_schemas_are_none_of_ours() {
        // Template 7 of the discovery schema, and a header that is cut off.
        assert!(matches!(
            decode(&[20, 0, 7, 0, 0x8e, 3, 1, 0, 0, 0]),
            Ok(None)
        ));
        assert!(matches!(decode(&[20, 0, 7]), Ok(None)));
        assert!(decode(&[20, 0, 7, 0, 0x84, 3, 1, 0, 0, 0]).is_err());
        let text = "Kamera S\u{fc}d".as_bytes();
        assert_eq!(super::text(&text[..9]), "Kamera S\u{fffd}");
    }
}
