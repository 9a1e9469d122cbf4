//! Versions of metadata: a number that grows with every change, and its content.

use std::sync::Arc;

use tensorpool_codecs::types::MetaVersion;

use super::content::{Metadata, MetadataError, MetadataLimits};

/// The version after this one. Never 0, which peers in the field write for none, nor the value that
/// stands for none. [TP-CLI-2720]
#[must_use]
pub const fn successor(version: MetaVersion) -> MetaVersion {
    match version.get() {
        number if number >= u32::MAX - 1 => MetaVersion::new(1),
        number => MetaVersion::new(number + 1),
    }
}

/// Whether `version` came after `than`: the shorter way round the circle of 32 bits is taken.
/// [TP-CLI-2830]
#[must_use]
pub const fn is_newer(version: MetaVersion, than: MetaVersion) -> bool {
    let ahead = version.get().wrapping_sub(than.get());
    ahead != 0 && ahead < 1 << 31
}

/// The metadata a producer has set, and its version. Kept on the application's thread: the version
/// is known before anybody else has heard of it.
#[derive(Clone, Debug, Default)]
pub struct VersionedMetadata {
    current: Option<(MetaVersion, Arc<Metadata>)>,
}

impl VersionedMetadata {
    /// The version in force; `None` before the first.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Option<MetaVersion> {
        self.current.as_ref().map(|(version, _)| *version)
    }

    /// What is in force.
    #[must_use]
    pub fn content(&self) -> Option<&Arc<Metadata>> {
        self.current.as_ref().map(|(_, content)| content)
    }

    /// Replaces it. Gives the version in force and whether it is a new one: what changes nothing
    /// has none of its own. [TP-CLI-2710]
    ///
    /// # Errors
    /// When it cannot be sent; then what was in force stays. [TP-CLI-2730]
    pub fn set(
        &mut self,
        metadata: Metadata,
        limits: &MetadataLimits,
    ) -> Result<(MetaVersion, bool), MetadataError> {
        metadata.check(limits)?;
        match &self.current {
            Some((version, content)) if **content == metadata => Ok((*version, false)),
            current => {
                let before = current.as_ref().map_or(0, |(version, _)| version.get());
                let version = successor(MetaVersion::new(before));
                self.current = Some((version, Arc::new(metadata)));
                Ok((version, true))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: MetadataLimits = MetadataLimits::DEFAULT;

    fn named(name: &str) -> Metadata {
        Metadata::builder().name(name).build()
    }

    /// Proves [TP-CLI-2710].
    #[test]
    fn every_change_has_a_version_of_its_own_and_no_change_has_none() {
        let mut versions = VersionedMetadata::default();
        assert_eq!(versions.version(), None);
        let mut metadata = named("a");
        let v = MetaVersion::new;
        assert_eq!(versions.set(metadata.clone(), &LIMITS), Ok((v(1), true)));
        assert_eq!(versions.set(metadata.clone(), &LIMITS), Ok((v(1), false)));
        metadata.set("gain", "text/plain", b"2");
        assert_eq!(versions.set(metadata.clone(), &LIMITS), Ok((v(2), true)));
        metadata.set("gain", "text/plain", b"3");
        assert_eq!(versions.set(metadata.clone(), &LIMITS), Ok((v(3), true)));
        assert!(metadata.remove("gain"));
        assert_eq!(versions.set(metadata, &LIMITS), Ok((v(4), true)));
        assert_eq!(versions.set(named("b"), &LIMITS), Ok((v(5), true)));
        assert_eq!(versions.version(), Some(v(5)));
        assert_eq!(versions.content().map(|m| m.name()), Some("b"));
    }

    /// Proves [TP-CLI-2730].
    #[test]
    fn what_is_refused_changes_nothing() {
        let mut versions = VersionedMetadata::default();
        versions.set(named("a"), &LIMITS).unwrap();
        assert!(versions.set(named("ä"), &LIMITS).is_err());
        assert_eq!(versions.version(), Some(MetaVersion::new(1)));
        assert_eq!(versions.content().map(|m| m.name()), Some("a"));
    }

    /// Proves [TP-CLI-2720].
    #[test]
    fn no_version_is_a_number_that_means_none() {
        assert_eq!(successor(MetaVersion::new(0)).get(), 1);
        assert_eq!(
            successor(MetaVersion::new(u32::MAX - 2)).get(),
            u32::MAX - 1
        );
        assert_eq!(successor(MetaVersion::new(u32::MAX - 1)).get(), 1);
        assert_eq!(successor(MetaVersion::new(u32::MAX)).get(), 1);
    }

    proptest! {
        /// Proves [TP-CLI-2830].
        #[test]
        fn a_version_is_older_than_its_successors_also_where_numbers_wrap(
            start in prop_oneof![any::<u32>(), u32::MAX - 50..=u32::MAX, 0u32..50],
            steps in 1u32..100,
        ) {
            let start = MetaVersion::new(start);
            let mut later = start;
            for _ in 0..steps {
                later = successor(later);
            }
            prop_assert!(is_newer(later, start));
            prop_assert!(!is_newer(start, later));
            prop_assert!(!is_newer(start, start));
        }
    }
}
