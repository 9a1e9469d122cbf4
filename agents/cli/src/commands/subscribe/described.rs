//! What `subscribe --meta` shows of the stream's metadata and blobs.

use serde_json::{Value, json};
use tensorpool::client::{Attribute, Blob, SourceMetadata};
use tensorpool::codecs::types::{ClientId, Epoch};

use crate::formats::checksum::Checksum;
use crate::report::Reporter;
use crate::report::figures::count_text;

/// Texts longer than this are shown by their length.
const MAX_SHOWN_LEN: usize = 200;

/// Shows one version.
pub(super) fn tell_metadata(report: &Reporter, source: &SourceMetadata) {
    let (text, fields) = (metadata_text(source), metadata_json(source));
    report.event("metadata", &text, fields);
}

/// Shows that a blob arrived.
pub(super) fn tell_blob(report: &Reporter, blob: &Blob) {
    let crc = format!("{:08x}", Checksum::of(&blob.bytes));
    report.event(
        "blob",
        &format!(
            "blob of type {} for metadata {}: {}, crc32c {crc}",
            blob.blob_type,
            blob.version,
            count_text(blob.bytes.len() as u64, "byte"),
        ),
        json!({
            "type": blob.blob_type,
            "version": blob.version.get(),
            "bytes": blob.bytes.len(),
            "crc32c": crc,
        }),
    );
}

fn metadata_text(source: &SourceMetadata) -> String {
    let metadata = &source.metadata;
    let mut text = format!("metadata {}: {:?}", source.version, metadata.name());
    if !metadata.summary().is_empty() {
        text.push_str(&format!(", {:?}", metadata.summary()));
    }
    for attribute in metadata.attributes() {
        text.push_str(&format!(
            "\n  {:?} = {}",
            attribute.key,
            value_text(attribute)
        ));
    }
    text
}

/// Quoted, as it comes from a stranger and goes to a terminal.
fn value_text(attribute: &Attribute) -> String {
    let format = match attribute.format.as_str() {
        "text/plain" => String::new(),
        other => format!(" ({other:?})"),
    };
    match attribute.text() {
        Some(text) if text.len() <= MAX_SHOWN_LEN => format!("{text:?}{format}"),
        _ => {
            let bytes = count_text(attribute.value.len() as u64, "byte");
            format!("{bytes}{format}")
        }
    }
}

fn metadata_json(source: &SourceMetadata) -> Value {
    let attributes = source.metadata.attributes().iter();
    json!({
        "stream": source.stream_id.get(),
        "version": source.version.get(),
        "epoch": source.epoch.map(Epoch::get),
        "producer": source.producer_id.map(ClientId::get),
        "name": source.metadata.name(),
        "summary": source.metadata.summary(),
        "attributes": attributes.map(attribute_json).collect::<Vec<_>>(),
    })
}

/// Text as it is, anything else in hexadecimal.
fn attribute_json(attribute: &Attribute) -> Value {
    let (key, format) = (&attribute.key, &attribute.format);
    match attribute.text() {
        Some(value) => json!({ "key": key, "format": format, "value": value }),
        None => {
            let hex = attribute.value.iter().map(|byte| format!("{byte:02x}"));
            json!({ "key": key, "format": format, "value_hex": hex.collect::<String>() })
        }
    }
}

#[cfg(test)]
mod tests {
    use tensorpool::client::Metadata;
    use tensorpool::codecs::types::{MetaVersion, StreamId};

    use super::*;

    fn source() -> SourceMetadata {
        SourceMetadata {
            stream_id: StreamId::new(7),
            version: MetaVersion::new(3),
            producer_id: None,
            epoch: Some(Epoch::new(9)),
            timestamp: None,
            metadata: Metadata::builder()
                .name("camera \u{1b}[31m")
                .text("exposure", "10 ms")
                .attribute("lens", "application/json", "{}")
                .attribute("offsets", "application/octet-stream", [0, 255])
                .text("long", "x".repeat(201))
                .build(),
        }
    }

    #[test]
    fn people_see_texts_and_the_length_of_everything_else_and_no_escape_codes() {
        let text = metadata_text(&source());
        assert_eq!(
            text,
            "metadata 3: \"camera \\u{1b}[31m\"\n  \"exposure\" = \"10 ms\"\n  \
             \"lens\" = \"{}\" (\"application/json\")\n  \
             \"offsets\" = 2 bytes (\"application/octet-stream\")\n  \"long\" = 201 bytes"
        );
    }

    #[test]
    fn programs_see_all_of_every_value() {
        let fields = metadata_json(&source());
        assert_eq!(
            (&fields["version"], &fields["epoch"]),
            (&json!(3), &json!(9))
        );
        let attributes = fields["attributes"].as_array().expect("a list");
        assert_eq!(attributes[0]["value"], "10 ms");
        assert_eq!(attributes[2]["value_hex"], "00ff");
        assert_eq!(attributes[3]["value"].as_str().map(str::len), Some(201));
    }
}
