//! What `publish` says about its stream: what it was told to, and what the input tells.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use tensorpool::client::Metadata;
use tensorpool::protocol::client::metadata::MetadataLimits;

use crate::args::{DescribeArgs, PublishArgs};
use crate::formats::input::FrameInput;
use crate::formats::layout::MajorOrder;

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
    for (key, value) in &described.meta {
        metadata.set(key, "text/plain", value.as_bytes());
    }
    for (key, path) in &described.meta_file {
        // One byte more than could be sent is enough to be told so.
        let value = read_up_to(path, MetadataLimits::DEFAULT.max_message_len + 1)?;
        metadata.set(key, format_of(path), value);
    }
    Ok(())
}

/// Blobs to be sent: their type, and their bytes.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn blobs(args: &PublishArgs, max_len: usize) -> anyhow::Result<Vec<(u32, Vec<u8>)>> {
    let blobs = args.describe.blob.iter();
    blobs
        .map(|(blob_type, path)| Ok((*blob_type, read_up_to(path, max_len + 1)?)))
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
        Source::Input(input) => {
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
        .and_then(|file| file.take(max_len as u64).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_their_files_are_named() {
        assert_eq!(format_of(Path::new("a/b.json")), "application/json");
        assert_eq!(format_of(Path::new("notes.txt")), "text/plain");
        assert_eq!(format_of(Path::new("offsets")), "application/octet-stream");
    }
}
