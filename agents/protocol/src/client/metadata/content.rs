//! Name, summary and attributes of a stream, and what can be sent of them.

use thiserror::Error;

/// Bytes of the messages before their data: header, block, group.
const ANNOUNCE_LEN: usize = 8 + 20 + 4 + 4;
const META_LEN: usize = 8 + 16 + 4;
/// Lengths of key, format and value.
const ATTRIBUTE_LEN: usize = 12;

/// One attribute: a key, how to read its value, and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, such as `exposure`.
    pub key: String,
    /// How the value is written, such as `text/plain` or `application/json`.
    pub format: String,
    /// The value.
    pub value: Vec<u8>,
}

impl Attribute {
    /// The value, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

/// What describes a stream: a name, one line about it, and attributes in an order of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    name: String,
    summary: String,
    attributes: Vec<Attribute>,
}

/// How much metadata may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLimits {
    /// Bytes of the longest message that can be sent.
    pub max_message_len: usize,
    /// Attributes.
    pub max_attributes: usize,
    /// Bytes of a key, a format or a name.
    pub max_text_len: usize,
    /// Bytes of a summary.
    pub max_summary_len: usize,
}

impl MetadataLimits {
    /// 64 KiB in all, 256 attributes, names of 256 bytes.
    pub const DEFAULT: Self = Self {
        max_message_len: 64 << 10,
        max_attributes: 256,
        max_text_len: 256,
        max_summary_len: 1024,
    };

    /// The defaults, for a publication whose messages are no longer than this.
    #[must_use]
    pub fn for_message_len(max_message_len: usize) -> Self {
        Self {
            max_message_len: max_message_len.min(Self::DEFAULT.max_message_len),
            ..Self::DEFAULT
        }
    }
}

/// Why metadata cannot be published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// A text that is not ASCII, or cannot be printed.
    #[error(
        "the {what} {found:?} is not printable ASCII, which is all the wire has: put other text into a value"
    )]
    NotAscii {
        /// Which text.
        what: &'static str,
        /// What was found.
        found: String,
    },
    /// A text that is too long.
    #[error("the {what} has {found} bytes, at most {max} are allowed")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// Bytes that are allowed.
        max: usize,
    },
    /// An attribute without a name.
    #[error("an attribute needs a key, found an empty one")]
    EmptyKey,
    /// Too many attributes.
    #[error("{found} attributes, at most {max} are allowed: gather some in one value")]
    TooManyAttributes {
        /// How many there are.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Too much in all.
    #[error(
        "the metadata takes {found} bytes in one message, at most {max} fit: shorten values, or publish \
         large ones as blobs"
    )]
    TooLarge {
        /// Bytes of the message.
        found: usize,
        /// Bytes of the longest that can be sent.
        max: usize,
    },
}

impl Metadata {
    /// Describes a stream step by step.
    pub fn builder() -> MetadataBuilder {
        MetadataBuilder::default()
    }

    /// The stream's name; may be empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line about it, such as element type and shape; may be empty.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The attributes, in the order in which they were first set.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The attribute of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|found| found.key == key)
    }

    /// Renames the stream.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Describes it anew.
    pub fn set_summary(&mut self, summary: impl Into<String>) {
        self.summary = summary.into();
    }

    /// Sets an attribute, in place of one with the same key.
    pub fn set(
        &mut self,
        key: impl Into<String>,
        format: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) {
        let attribute = Attribute {
            key: key.into(),
            format: format.into(),
            value: value.into(),
        };
        match self
            .attributes
            .iter_mut()
            .find(|old| old.key == attribute.key)
        {
            Some(old) => *old = attribute,
            None => self.attributes.push(attribute),
        }
    }

    /// Takes an attribute away; `false` when there is none of this key.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.attributes.len();
        self.attributes.retain(|attribute| attribute.key != key);
        self.attributes.len() < before
    }

    /// What was heard, as it was said: a key may come twice.
    pub(super) fn heard(name: String, summary: String, attributes: Vec<Attribute>) -> Self {
        Self {
            name,
            summary,
            attributes,
        }
    }

    /// Whether it can be sent. [TP-CLI-2730]
    ///
    /// # Errors
    /// The first thing that is in the way.
    pub fn check(&self, limits: &MetadataLimits) -> Result<(), MetadataError> {
        check_text("name", &self.name, limits.max_text_len)?;
        check_text("summary", &self.summary, limits.max_summary_len)?;
        let (found, max) = (self.attributes.len(), limits.max_attributes);
        if found > max {
            return Err(MetadataError::TooManyAttributes { found, max });
        }
        for attribute in &self.attributes {
            if attribute.key.is_empty() {
                return Err(MetadataError::EmptyKey);
            }
            check_text("key", &attribute.key, limits.max_text_len)?;
            check_text("format", &attribute.format, limits.max_text_len)?;
        }
        let found = self.announce_len().max(self.meta_len());
        let max = limits.max_message_len;
        if found > max {
            return Err(MetadataError::TooLarge { found, max });
        }
        Ok(())
    }

    /// Bytes of its DataSourceAnnounce.
    #[must_use]
    pub fn announce_len(&self) -> usize {
        ANNOUNCE_LEN + self.name.len() + self.summary.len()
    }

    /// Bytes of its DataSourceMeta.
    #[must_use]
    pub fn meta_len(&self) -> usize {
        let entries = self.attributes.iter().map(|attribute| {
            ATTRIBUTE_LEN + attribute.key.len() + attribute.format.len() + attribute.value.len()
        });
        META_LEN + entries.sum::<usize>()
    }
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), MetadataError> {
    if text.len() > max {
        let found = text.len();
        return Err(MetadataError::TooLong { what, found, max });
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    Err(MetadataError::NotAscii {
        what,
        found: text.to_owned(),
    })
}

/// Describes a stream step by step. What cannot be sent is refused when it is published.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is described before build"]
pub struct MetadataBuilder {
    metadata: Metadata,
}

impl MetadataBuilder {
    /// The stream's name: printable ASCII.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.metadata.set_name(name);
        self
    }

    /// One line about it: printable ASCII.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.metadata.set_summary(summary);
        self
    }

    /// An attribute, in place of one with the same key.
    pub fn attribute(
        mut self,
        key: impl Into<String>,
        format: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        self.metadata.set(key, format, value);
        self
    }

    /// An attribute whose value is text.
    pub fn text(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attribute(key, "text/plain", value.into())
    }

    /// The description.
    #[must_use]
    pub fn build(self) -> Metadata {
        self.metadata
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::wire::{DataSourceAnnounce, DataSourceMeta, DataSourceMetaAttribute};

    use super::*;

    const LIMITS: MetadataLimits = MetadataLimits::DEFAULT;

    fn sample() -> Metadata {
        Metadata::builder()
            .name("camera 1")
            .summary("u16 480x640")
            .text("exposure", "10 ms")
            .attribute("offsets", "application/octet-stream", [0, 1, 255])
            .build()
    }

    #[test]
    fn attributes_are_set_replaced_in_place_and_removed() {
        let mut metadata = sample();
        metadata.set("exposure", "application/json", b"{}");
        let keys: Vec<&str> = metadata
            .attributes()
            .iter()
            .map(|a| a.key.as_str())
            .collect();
        assert_eq!(keys, ["exposure", "offsets"]);
        assert_eq!(
            metadata.get("exposure").map(|a| a.format.as_str()),
            Some("application/json")
        );
        assert_eq!(
            metadata.get("exposure").and_then(Attribute::text),
            Some("{}")
        );
        assert_eq!(metadata.get("offsets").and_then(Attribute::text), None);
        assert!(metadata.remove("exposure") && !metadata.remove("exposure"));
        assert_eq!(metadata.attributes().len(), 1);
    }

    #[test]
    fn lengths_are_those_of_the_messages() {
        let metadata = sample();
        let announce = DataSourceAnnounce {
            stream_id: 1,
            producer_id: 2,
            epoch: 3,
            meta_version: 4,
            name: metadata.name().as_bytes(),
            summary: metadata.summary().as_bytes(),
        };
        assert_eq!(announce.encoded_len().unwrap(), metadata.announce_len());
        let attributes: Vec<DataSourceMetaAttribute<'_>> = metadata
            .attributes()
            .iter()
            .map(|attribute| DataSourceMetaAttribute {
                key: attribute.key.as_bytes(),
                format: attribute.format.as_bytes(),
                value: &attribute.value,
            })
            .collect();
        let meta = DataSourceMeta {
            stream_id: 1,
            meta_version: 2,
            timestamp_ns: 3,
            attributes: &attributes,
        };
        assert_eq!(meta.encoded_len().unwrap(), metadata.meta_len());
    }

    /// Proves [TP-CLI-2730].
    #[test]
    fn what_does_not_fit_a_message_is_refused_with_what_to_do() {
        let fits = LIMITS.max_message_len - META_LEN - ATTRIBUTE_LEN - "kf".len();
        let of_len = |len| {
            Metadata::builder()
                .attribute("k", "f", vec![0; len])
                .build()
        };
        assert_eq!(of_len(fits).check(&LIMITS), Ok(()));
        let error = of_len(fits + 1).check(&LIMITS).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the metadata takes 65537 bytes in one message, at most 65536 fit: shorten values, or publish \
             large ones as blobs"
        );
        let small = MetadataLimits::for_message_len(8 << 10);
        assert!(of_len(fits).check(&small).is_err());
        let huge = MetadataLimits::for_message_len(16 << 20);
        assert_eq!(huge, LIMITS, "what a cache accepts is bounded as well");
    }

    /// Proves [TP-CLI-2730].
    #[test]
    fn texts_are_printable_ascii_of_bounded_length() {
        let check = |metadata: Metadata| metadata.check(&LIMITS).unwrap_err().to_string();
        let builder = Metadata::builder;
        assert!(check(builder().name("Süd").build()).starts_with("the name \"Süd\""));
        assert!(check(builder().summary("a\nb").build()).starts_with("the summary"));
        assert!(check(builder().text("k\u{7f}", "").build()).starts_with("the key"));
        assert!(check(builder().attribute("k", "\t", "").build()).starts_with("the format"));
        assert!(check(builder().text("", "").build()).contains("needs a key"));
        let long = "x".repeat(257);
        assert_eq!(
            check(builder().name(long.clone()).build()),
            "the name has 257 bytes, at most 256 are allowed"
        );
        assert!(check(builder().text(long, "").build()).starts_with("the key has 257"));
        assert!(check(builder().summary("x".repeat(1025)).build()).contains("1025"));
        let mut many = Metadata::default();
        for index in 0..257 {
            many.set(index.to_string(), "", "");
        }
        assert!(check(many).starts_with("257 attributes"));
        assert_eq!(builder().text("k", "Süd\n").build().check(&LIMITS), Ok(()));
    }
}
