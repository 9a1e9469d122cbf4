//! What `publish` says about its stream: what it was told to, and what the input tells.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;
use tensorpool::client::Metadata;
use tensorpool::protocol::client::metadata::MetadataLimits;

use crate::args::{DescribeArgs, PublishArgs};
use crate::formats::input::FrameInput;
use crate::formats::layout::MajorOrder;
use crate::report::failure::misuse;

use super::source::Source;

/// Name, summary and attributes; `None` unless something of them was asked for. Then the input's own
/// attributes come along, in front and replaced by those of the same key.
///
/// # Errors
/// When a file cannot be read, or the metadata cannot be sent.
pub(super) fn metadata(args: &PublishArgs, source: &Source) -> anyhow::Result<Option<Metadata>> {
    let described = &args.describe;
    if !described.is_wanted() {
        return Ok(None);
    }
    let mut metadata = Metadata::builder()
        .name(described.name.clone().unwrap_or_default())
        .summary(source.layout().to_string())
        .build();
    for (key, value) in attributes_of(source) {
        metadata.set(key, "text/plain", value);
    }
    add_given(described, &mut metadata)?;
    metadata
        .check(&MetadataLimits::DEFAULT)
        .context("cannot describe the stream")?;
    Ok(Some(metadata))
}

fn add_given(described: &DescribeArgs, metadata: &mut Metadata) -> anyhow::Result<()> {
    let files = described.meta_file.iter().map(|(key, _)| key);
    let keys: Vec<&String> = described
        .meta
        .iter()
        .map(|(key, _)| key)
        .chain(files)
        .collect();
    if let Some(twice) = (1..keys.len()).find(|&at| keys[..at].contains(&keys[at])) {
        return Err(misuse(format!(
            "attribute {:?} is given twice",
            keys[twice]
        )));
    }
    for (key, value) in &described.meta {
        metadata.set(key, "text/plain", value.as_bytes());
    }
    for (key, path) in &described.meta_file {
        let value = read_up_to(path, MetadataLimits::DEFAULT.max_message_len)?;
        metadata.set(key, format_of(path), value);
    }
    Ok(())
}

/// Blobs to be sent: their type, and their bytes.
///
/// # Errors
/// When a file cannot be read, or is too long.
pub(super) fn blobs(args: &PublishArgs, max_len: usize) -> anyhow::Result<Vec<(u32, Vec<u8>)>> {
    let blobs = args.describe.blob.iter();
    blobs
        .map(|(blob_type, path)| Ok((*blob_type, read_up_to(path, max_len)?)))
        .collect()
}

/// What programs want to know of frames before the first is there.
fn attributes_of(source: &Source) -> Vec<(&'static str, String)> {
    let layout = source.layout();
    let order = match layout.major_order {
        MajorOrder::Row => "row",
        MajorOrder::Column => "column",
    };
    let mut attributes = vec![
        ("dtype", layout.element_type.to_string()),
        ("shape", layout.shape.to_string()),
        ("major_order", order.to_owned()),
    ];
    if let Some(rate) = source.frame_rate_hz() {
        attributes.push(("frame_rate_hz", rate.to_string()));
    }
    match source {
        Source::Input { input, .. } => {
            if let FrameInput::Y4m(video) = &**input {
                let header = video.header();
                attributes.push(("width", header.width.to_string()));
                attributes.push(("height", header.height.to_string()));
                attributes.push(("pixel_format", header.pixel_format()));
            }
        }
        Source::Pattern { pattern, .. } => {
            let name = pattern.to_possible_value();
            attributes.extend(name.map(|name| ("pattern", name.get_name().to_owned())));
        }
    }
    attributes
}

/// How a value is to be read, by the name of its file.
fn format_of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.unwrap_or_default() {
        "txt" | "md" | "csv" => "text/plain",
        "json" => "application/json",
        "toml" => "application/toml",
        "msgpack" => "application/msgpack",
        _ => "application/octet-stream",
    }
}

fn read_up_to(path: &Path, max_len: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        // One byte more than could be sent is enough to know.
        .and_then(|file| file.take(max_len as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() > max_len {
        let path = path.display();
        bail!("{path} is longer than the {max_len} bytes that can be sent of it");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_said_to_be_longer_and_not_how_long_the_read_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read_up_to(&path, 100).unwrap().len(), 100);
        let message = read_up_to(&path, 10).unwrap_err().to_string();
        assert!(message.ends_with("blob is longer than the 10 bytes that can be sent of it"));
    }

    #[test]
    fn an_attribute_has_one_value() {
        let mut described = DescribeArgs::default();
        let pair = |value: &str| ("a".to_owned(), value.to_owned());
        described.meta = vec![pair("1")];
        let mut metadata = Metadata::builder().build();
        add_given(&described, &mut metadata).unwrap();
        described.meta.push(pair("2"));
        let message = add_given(&described, &mut metadata)
            .unwrap_err()
            .to_string();
        assert_eq!(message, "attribute \"a\" is given twice");
        described.meta.truncate(1);
        described.meta_file = vec![("a".to_owned(), "nowhere".into())];
        assert!(add_given(&described, &mut metadata).is_err());
    }

    #[test]
    fn values_are_read_as_their_files_are_named() {
        assert_eq!(format_of(Path::new("a/b.json")), "application/json");
        assert_eq!(format_of(Path::new("notes.txt")), "text/plain");
        assert_eq!(format_of(Path::new("offsets")), "application/octet-stream");
    }
}
