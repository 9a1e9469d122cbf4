use tensorpool_codecs::wire::Mode;
use tensorpool_protocol::supervisor::{CoreConfig, OwnStreams};

use super::*;

const NOW: NanoTime = NanoTime::new(1_000_000_000);
const SESSION: i32 = 77;

fn core() -> SupervisorCore {
    SupervisorCore::new(CoreConfig {
        descriptor: OwnStreams {
            ids: vec![31_000..=31_009],
            channel: None,
        },
        ..CoreConfig::default()
    })
    .unwrap()
}

fn hello_bytes() -> Vec<u8> {
    let hello = ConsumerHello {
        stream_id: 10_000,
        consumer_id: 7,
        supports_shm: true,
        supports_progress: false,
        mode: Mode::RateLimited,
        max_rate_hz: 5,
        expected_layout_version: 1,
        progress_interval_us: None,
        progress_bytes_delta: None,
        progress_major_delta_units: None,
        descriptor_stream_id: 1,
        control_stream_id: 0,
        descriptor_channel: b"aeron:ipc",
        control_channel: b"",
    };
    let mut bytes = vec![0; hello.encoded_len().unwrap()];
    hello.encode(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_hello_becomes_its_input() {
    let mut core = core();
    assert_eq!(
        deliver(&mut core, NOW, &hello_bytes(), SESSION),
        Heard::Told
    );
    let answer = core.peek_answer().expect("an answer");
    assert_eq!(
        (answer.key, answer.mode),
        (key(10_000, 7), Mode::RateLimited)
    );
    let own = answer.descriptor.as_ref().expect("its stream");
    assert_eq!((own.stream_id, own.channel.as_ref()), (31_000, "aeron:ipc"));
    assert_eq!(answer.control, None);
}

/// Proves [TP-DRV-2020].
#[test]
fn a_hello_that_is_cut_or_says_what_nobody_knows_changes_nothing() {
    let whole = hello_bytes();
    // Behind the fixed part a message may end before its strings: some peers leave out empty ones.
    let may_end = [8 + 39, 8 + 39 + 4 + 9];
    for len in (0..whole.len()).filter(|len| !may_end.contains(len)) {
        let mut core = core();
        assert_eq!(
            deliver(&mut core, NOW, &whole[..len], SESSION),
            Heard::Malformed,
            "{len}"
        );
        assert_eq!(core.stats().hellos, 0);
    }
    for (offset, value) in [(8 + 8, 2), (8 + 8, 255), (8 + 10, 0), (8 + 10, 3)] {
        let mut core = core();
        let mut bytes = whole.clone();
        bytes[offset] = value;
        assert_eq!(deliver(&mut core, NOW, &bytes, SESSION), Heard::Malformed);
        assert!(core.peek_answer().is_none());
    }
}

/// Proves [TP-DRV-2030].
#[test]
fn a_hello_that_ends_before_its_channels_asks_for_none() {
    let mut core = core();
    let bytes = hello_bytes();
    assert_eq!(
        deliver(&mut core, NOW, &bytes[..8 + 39], SESSION),
        Heard::Told
    );
    assert_eq!(core.peek_answer().expect("an answer").descriptor, None);
    let stats = core.stats();
    assert_eq!(
        (stats.own_descriptor_streams, stats.requests_declined),
        (0, 1)
    );
}

/// Proves [TP-DRV-2040].
#[test]
fn messages_of_other_schemas_with_the_same_numbers_are_ignored() {
    let whole = hello_bytes();
    for schema_id in (0..=u16::MAX).filter(|id| *id != wire::SCHEMA_ID) {
        let mut core = core();
        let mut bytes = whole.clone();
        bytes[4..6].copy_from_slice(&schema_id.to_le_bytes());
        assert_ne!(
            deliver(&mut core, NOW, &bytes, SESSION),
            Heard::Told,
            "{schema_id}"
        );
        assert!(core.peek_answer().is_none());
    }
}

#[test]
fn every_template_of_every_schema_is_told_ignored_or_malformed_and_nothing_worse() {
    for schema_id in [900u16, 901, 902, 903, 904, 910, 950, 1] {
        for template_id in 0..64u16 {
            for block_len in [0u16, 28, 39, 41, 64, 4096] {
                let mut bytes = [0xA5u8; 120];
                bytes[..2].copy_from_slice(&block_len.to_le_bytes());
                bytes[2..4].copy_from_slice(&template_id.to_le_bytes());
                bytes[4..6].copy_from_slice(&schema_id.to_le_bytes());
                bytes[6..8].copy_from_slice(&1u16.to_le_bytes());
                let _whatever = deliver(&mut core(), NOW, &bytes, SESSION);
            }
        }
    }
}

#[test]
fn reports_announces_names_and_ends_become_their_inputs() {
    let mut core = core();
    let mut bytes = [0; 512];
    let announce = wire::ShmPoolAnnounce {
        stream_id: 10_000,
        producer_id: 3,
        epoch: 50,
        announce_timestamp_ns: NOW.get(),
        announce_clock_domain: ClockDomain::Monotonic,
        layout_version: 1,
        header_nslots: 8,
        header_slot_bytes: 256,
        payload_pools: &[],
        header_region_uri: b"shm:file?path=/h",
    };
    let len = announce.encode(&mut bytes).unwrap();
    assert_eq!(deliver(&mut core, NOW, &bytes[..len], SESSION), Heard::Told);
    let produced = QosProducer {
        stream_id: 10_000,
        producer_id: 3,
        epoch: 50,
        current_seq: 11,
        watermark: None,
    };
    let len = produced.encode(&mut bytes).unwrap();
    assert_eq!(deliver(&mut core, NOW, &bytes[..len], SESSION), Heard::Told);
    let consumed = QosConsumer {
        stream_id: 10_000,
        consumer_id: 7,
        epoch: 50,
        last_seq_seen: 8,
        drops_gap: 4,
        drops_late: 2,
        mode: None,
    };
    let len = consumed.encode(&mut bytes).unwrap();
    assert_eq!(deliver(&mut core, NOW, &bytes[..len], SESSION), Heard::Told);
    let named = DataSourceAnnounce {
        stream_id: 10_000,
        producer_id: 3,
        epoch: 50,
        meta_version: 1,
        name: b"front",
        summary: b"",
    };
    let len = named.encode(&mut bytes).unwrap();
    assert_eq!(deliver(&mut core, NOW, &bytes[..len], SESSION), Heard::Told);

    let seen = core.snapshot(NOW);
    let (stream, consumer) = (&seen.streams[0], &seen.consumers[0]);
    assert_eq!(stream.producer_id, Some(ClientId::new(3)));
    assert_eq!(
        (stream.next_seq, stream.name.as_deref()),
        (Some(11), Some("front"))
    );
    assert_eq!(
        (consumer.lag, consumer.drops_gap, consumer.drops_late),
        (Some(2), 4, 2)
    );

    let ended = driver::ShmLeaseRevoked {
        timestamp_ns: 0,
        lease_id: 1,
        stream_id: 10_000,
        client_id: 7,
        role: WireRole::Consumer,
        reason: WireReason::Expired,
        error_message: b"",
    };
    let len = ended.encode(&mut bytes).unwrap();
    assert_eq!(deliver(&mut core, NOW, &bytes[..len], SESSION), Heard::Told);
    assert_eq!(core.stats().consumers, 0);
}
