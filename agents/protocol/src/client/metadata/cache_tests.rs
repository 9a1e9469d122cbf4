//! The cache with a clock that is an integer, and against a model.

use proptest::prelude::*;

use super::*;

const STREAM: StreamId = StreamId::new(7);
const SECOND: u64 = 1_000_000_000;

fn announce(epoch: u64, version: u32, name: &str) -> SourceAnnounce {
    SourceAnnounce {
        stream_id: STREAM,
        producer_id: ClientId::new(3),
        epoch: Epoch::new(epoch),
        version: MetaVersion::new(version),
        name: name.into(),
        summary: String::new(),
    }
}

fn attributes(version: u32, keys: &[&str]) -> SourceAttributes {
    let attribute = |key: &&str| Attribute {
        key: (*key).into(),
        format: "text/plain".into(),
        value: b"v".to_vec(),
    };
    SourceAttributes {
        stream_id: STREAM,
        version: MetaVersion::new(version),
        timestamp: NanoTime::new(5),
        attributes: keys.iter().map(attribute).collect(),
    }
}

/// Version, name and keys in force.
fn told(cache: &MetadataCache) -> Option<(u32, String, Vec<String>)> {
    cache.get(STREAM).map(|source| {
        let attributes = source.metadata.attributes();
        let keys = attributes.iter().map(|a| a.key.clone()).collect();
        (source.version.get(), source.metadata.name().into(), keys)
    })
}

fn is(version: u32, name: &str, keys: &[&str]) -> Option<(u32, String, Vec<String>)> {
    Some((
        version,
        name.into(),
        keys.iter().map(|&k| k.into()).collect(),
    ))
}

fn at(now: u64) -> NanoTime {
    NanoTime::new(now)
}

/// Proves [TP-CLI-2810].
#[test]
fn a_description_is_told_when_its_announce_and_attributes_are_there() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(1, 1, "a"));
    assert_eq!(told(&cache), None);
    cache.on_attributes(at(1), attributes(1, &["x", "y"]));
    assert_eq!(told(&cache), is(1, "a", &["x", "y"]));
    let source = cache.get(STREAM).unwrap();
    assert_eq!(source.epoch, Some(Epoch::new(1)));
    assert_eq!(source.producer_id, Some(ClientId::new(3)));
    assert_eq!(source.timestamp, Some(NanoTime::new(5)));
    cache.on_announce(at(2), announce(1, 2, "b"));
    assert_eq!(told(&cache), is(1, "a", &["x", "y"]), "one version, whole");
    cache.on_attributes(at(3), attributes(2, &["z"]));
    assert_eq!(told(&cache), is(2, "b", &["z"]));
}

/// Proves [TP-CLI-2810].
#[test]
fn a_name_whose_attributes_do_not_come_is_told_after_two_seconds() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(1, 4, "a"));
    cache.on_announce(at(SECOND), announce(1, 4, "a"));
    cache.on_timeout(at(2 * SECOND - 1));
    assert_eq!(told(&cache), None);
    cache.on_timeout(at(2 * SECOND));
    assert_eq!(told(&cache), is(4, "a", &[]));
    let source = cache.get(STREAM).unwrap();
    assert_eq!(source.timestamp, None);
    cache.on_attributes(at(3 * SECOND), attributes(4, &["x"]));
    assert_eq!(told(&cache), is(4, "a", &["x"]));
    cache.on_announce(at(3 * SECOND), announce(1, 5, "b"));
    cache.on_timeout(at(5 * SECOND));
    assert_eq!(
        told(&cache),
        is(5, "b", &[]),
        "attributes of 4 are not those of 5"
    );
}

#[test]
fn what_only_repeats_is_not_told_again() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(1, 1, "a"));
    cache.on_attributes(at(0), attributes(1, &["x"]));
    let first = Arc::clone(cache.get(STREAM).unwrap());
    for second in 1..5 {
        cache.on_announce(at(second * SECOND), announce(1, 1, "a"));
        cache.on_attributes(at(second * SECOND), attributes(1, &["x"]));
        cache.on_timeout(at(second * SECOND));
        assert!(Arc::ptr_eq(&first, cache.get(STREAM).unwrap()));
    }
    cache.on_announce(at(5 * SECOND), announce(1, 1, "renamed"));
    assert_eq!(
        told(&cache),
        is(1, "renamed", &["x"]),
        "same version, other words"
    );
}

/// Proves [TP-CLI-2830].
#[test]
fn messages_of_an_earlier_version_change_nothing() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(1, 9, "a"));
    cache.on_attributes(at(0), attributes(9, &["x"]));
    cache.on_attributes(at(1), attributes(8, &["old"]));
    cache.on_announce(at(1), announce(1, 8, "old"));
    assert_eq!(told(&cache), is(9, "a", &["x"]));
    assert_eq!(cache.stats().stale, 2);
}

/// Proves [TP-CLI-2830].
#[test]
fn versions_go_on_where_their_numbers_wrap() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(1, u32::MAX - 1, "a"));
    cache.on_attributes(at(0), attributes(u32::MAX - 1, &["x"]));
    cache.on_announce(at(1), announce(1, 1, "b"));
    cache.on_attributes(at(1), attributes(1, &["y"]));
    assert_eq!(told(&cache), is(1, "b", &["y"]));
    assert_eq!(cache.stats().stale, 0);
}

/// Proves [TP-CLI-2790].
#[test]
fn a_new_epoch_starts_its_versions_over_and_forgets_the_attributes_before() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(1, 9, "a"));
    cache.on_attributes(at(0), attributes(9, &["x"]));
    cache.on_announce(at(1), announce(2, 9, "b"));
    assert_eq!(told(&cache), is(9, "a", &["x"]), "until it is known whole");
    cache.on_timeout(at(1 + 2 * SECOND));
    assert_eq!(told(&cache), is(9, "b", &[]), "not its predecessor's");
    cache.on_announce(at(3 * SECOND), announce(3, 1, "c"));
    cache.on_attributes(at(3 * SECOND), attributes(1, &["y"]));
    assert_eq!(told(&cache), is(1, "c", &["y"]));
    assert_eq!(cache.stats().stale, 0);
}

/// Proves [TP-CLI-2800].
#[test]
fn an_earlier_epoch_is_believed_only_when_the_later_one_is_silent() {
    let mut cache = MetadataCache::default();
    cache.on_announce(at(0), announce(9, 1, "a"));
    cache.on_attributes(at(0), attributes(1, &["x"]));
    cache.on_announce(at(3 * SECOND - 1), announce(8, 5, "late"));
    assert_eq!(told(&cache), is(1, "a", &["x"]));
    assert_eq!(cache.stats().stale, 1);
    cache.on_announce(at(3 * SECOND), announce(8, 5, "restarted"));
    cache.on_attributes(at(3 * SECOND), attributes(5, &["y"]));
    assert_eq!(told(&cache), is(5, "restarted", &["y"]));
}

#[test]
fn attributes_nobody_announced_are_told_without_a_name() {
    let mut cache = MetadataCache::default();
    cache.on_attributes(at(0), attributes(3, &["x"]));
    assert_eq!(told(&cache), is(3, "", &["x"]));
    assert_eq!(cache.get(STREAM).unwrap().epoch, None);
    cache.on_announce(at(1), announce(1, 3, "a"));
    assert_eq!(told(&cache), is(3, "a", &["x"]));
}

/// Proves [TP-CLI-2835].
#[test]
fn attributes_are_handed_on_in_order_also_unknown_and_repeated_ones() {
    let mut cache = MetadataCache::default();
    cache.on_attributes(at(0), attributes(1, &["zzz", "", "a", "zzz"]));
    assert_eq!(told(&cache), is(1, "", &["zzz", "", "a", "zzz"]));
}

/// Proves [TP-CLI-2820].
#[test]
fn everything_that_is_kept_is_bounded() {
    let mut cache = MetadataCache::new(CacheLimits {
        max_streams: 2,
        max_attributes: 3,
        max_bytes: 100,
    });
    cache.on_attributes(at(0), attributes(1, &["a", "b", "c", "d"]));
    cache.on_attributes(at(0), attributes(1, &[&"k".repeat(100)]));
    cache.on_announce(at(0), announce(1, 1, &"n".repeat(101)));
    assert_eq!((told(&cache), cache.stats().oversized), (None, 3));
    for stream in 1..=5 {
        let message = SourceAttributes {
            stream_id: StreamId::new(stream),
            ..attributes(1, &["a"])
        };
        cache.on_attributes(at(0), message);
    }
    assert_eq!(cache.stats().overflow, 3);
    assert!(cache.get(StreamId::new(1)).is_some() && cache.get(StreamId::new(3)).is_none());
    cache.retain(|stream| stream.get() == 2);
    assert!(cache.get(StreamId::new(1)).is_none() && cache.get(StreamId::new(2)).is_some());
    cache.on_announce(at(0), announce(1, 1, "room again"));
    assert_eq!(cache.stats().overflow, 3);
}

#[derive(Clone, Debug)]
enum Step {
    Announce(u64, u32),
    Attributes(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u64..4, 1u32..6).prop_map(|(epoch, version)| Step::Announce(epoch, version)),
        (1u32..6).prop_map(Step::Attributes),
        (0u64..4 * SECOND).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever comes in whatever order: what is told is one version, whole, and neither epoch nor
    /// version goes back while its source is heard.
    #[test]
    fn what_is_told_is_of_one_version_and_does_not_go_back(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut cache = MetadataCache::default();
        let (mut now, mut heard, mut may_go_back) = (0, 0, false);
        let mut before: Option<Arc<SourceMetadata>> = None;
        for step in steps {
            let stale = cache.stats().stale;
            let is_message = !matches!(step, Step::Wait(_));
            match step {
                Step::Announce(epoch, version) => {
                    // The name says which version it is of.
                    cache.on_announce(at(now), announce(epoch, version, &version.to_string()));
                }
                Step::Attributes(version) => {
                    let key = version.to_string();
                    cache.on_attributes(at(now), attributes(version, &[&key]));
                }
                Step::Wait(ns) => {
                    now += ns;
                    cache.on_timeout(at(now));
                }
            }
            if is_message && cache.stats().stale == stale {
                may_go_back |= now - heard >= 3 * SECOND;
                heard = now;
            }
            let after = cache.get(STREAM).cloned();
            if let Some(source) = &after {
                let version = source.version.to_string();
                for attribute in source.metadata.attributes() {
                    prop_assert_eq!(&attribute.key, &version);
                }
            }
            if let (Some(before), Some(after)) = (&before, &after) && !may_go_back {
                prop_assert!(after.epoch >= before.epoch);
                if after.epoch == before.epoch {
                    prop_assert!(after.version >= before.version);
                }
            }
            may_go_back &= before == after;
            before = after;
        }
    }
}
