//! `[supervisor]` and its streams for single consumers.

use super::*;

pub(super) const WHOLE: &str = r#"
[supervisor]
with_driver = true
control_channel = "aeron:ipc?term-length=64k"
control_stream_id = 3000
announce_channel = "aeron:ipc"
announce_stream_id = 3001
qos_channel = "aeron:ipc?term-length=128k"
qos_stream_id = 3002
metadata_channel = "aeron:ipc?term-length=256k"
metadata_stream_id = 3003
consumer_capacity = 9
consumer_stale_ms = 700
per_consumer_enabled = true
per_consumer_descriptor_channel = "aeron:ipc"
per_consumer_descriptor_base = 31000
per_consumer_descriptor_range = 10
per_consumer_control_channel = ""
per_consumer_control_base = 32000
per_consumer_control_range = 20
force_no_shm = true
force_mode = 2
payload_fallback_uri = "bridge://lab"
"#;

#[test]
fn every_key_of_a_supervisor_is_read() {
    let endpoint = |channel: &str, stream_id| Endpoint {
        channel: channel.to_owned(),
        stream_id,
    };
    let expected = SupervisorSettings {
        with_driver: true,
        control: endpoint("aeron:ipc?term-length=64k", 3000),
        announce: endpoint("aeron:ipc", 3001),
        qos: endpoint("aeron:ipc?term-length=128k", 3002),
        metadata: endpoint("aeron:ipc?term-length=256k", 3003),
        consumer_capacity: 9,
        consumer_stale_ms: 700,
        per_consumer_enabled: Some(true),
        per_consumer_descriptor: PerConsumerSettings {
            channel: Some("aeron:ipc".to_owned()),
            base: 31_000,
            range: 10,
        },
        per_consumer_control: PerConsumerSettings {
            channel: None,
            base: 32_000,
            range: 20,
        },
        force_no_shm: true,
        force_mode: 2,
        payload_fallback_uri: "bridge://lab".to_owned(),
    };
    let loaded = good(WHOLE);
    assert_eq!(loaded.settings.supervisor, expected);
    assert_eq!(said(&loaded), [""; 0]);
    let ids = loaded.settings.per_consumer_ids();
    assert_eq!(ids, [[range(31_000, 31_009)], [range(32_000, 32_019)]]);
}

fn range(first: u32, last: u32) -> IdRange {
    IdRange { first, last }
}

const DRIVER_IDS: &str = "driver.descriptor_stream_id_range = \"31000-31009\"\n\
                          driver.control_stream_id_range = \"32000-32009\"\n";

#[test]
fn ids_of_the_driver_hold_unless_the_supervisor_has_its_own_or_is_told_not_to() {
    let ids = |more: &str| {
        good(&format!("{DRIVER_IDS}{more}"))
            .settings
            .per_consumer_ids()
    };
    let of_driver = [vec![range(31_000, 31_009)], vec![range(32_000, 32_009)]];
    assert_eq!(ids(""), of_driver);
    assert_eq!(
        ids("[supervisor]\nper_consumer_enabled = true\n"),
        of_driver
    );
    assert_eq!(
        ids("[supervisor]\nper_consumer_enabled = false\n"),
        [[], []]
    );
    let own = "[supervisor]\nper_consumer_control_base = 33000\nper_consumer_control_range = 1\n";
    assert_eq!(
        ids(own),
        [vec![range(31_000, 31_009)], vec![range(33_000, 33_000)]]
    );
    assert_eq!(good("").settings.per_consumer_ids(), [[], []]);
}

/// Proves [TP-DRV-2830].
#[test]
fn a_first_id_without_a_number_of_ids_is_an_error() {
    for kind in ["descriptor", "control"] {
        let text = format!("[supervisor]\nper_consumer_{kind}_base = 31000\n");
        let message = bad(&text);
        assert!(
            message.contains(&format!("needs per_consumer_{kind}_range")),
            "{message}"
        );
        assert!(message.contains("tensorpool.toml:2:"), "{message}");
    }
    let message = bad("[supervisor]\nper_consumer_enabled = true\n");
    assert!(message.contains("there are no ids"), "{message}");
    let silent = good(
        "[supervisor]\nper_consumer_descriptor_base = 31000\nper_consumer_descriptor_range = 5\n",
    );
    assert!(said(&silent)[0].contains("has no effect without per_consumer_enabled"));
}

/// Proves [TP-DRV-2840].
#[test]
fn values_a_supervisor_cannot_be_run_with_are_shown_with_line_and_caret() {
    for (line, expected) in [
        ("force_mode = 3", "expected a mode"),
        ("force_mode = \"STREAM\"", "expected a mode"),
        (
            "payload_fallback_uri = \"http://host\"",
            "expected an Aeron channel",
        ),
        (
            "payload_fallback_uri = \"aeron:tcp?x=1\"",
            "expected an Aeron channel",
        ),
        (
            "per_consumer_descriptor_channel = \"ipc\"",
            "expected an Aeron channel",
        ),
        (
            "consumer_capacity = 0",
            "a number of consumers from 1 to 65536",
        ),
        ("consumer_stale_ms = 99", "milliseconds from 100 to"),
        ("control_stream_id = 0", "an Aeron stream id from 1 to"),
        ("per_consumer_enabled = 1", "expected true or false"),
    ] {
        let message = bad(&format!("[supervisor]\n{line}\n"));
        assert!(message.contains(expected), "{message}");
        assert!(
            message.contains("tensorpool.toml:2:") && message.contains('^'),
            "{message}"
        );
    }
    let misspelt = good("[supervisor]\nforce_mod = 1\n");
    assert!(said(&misspelt)[0].contains("did you mean `force_mode`?"));
}

/// Proves [TP-DRV-2850].
#[test]
fn ids_for_consumers_that_have_a_use_already_are_an_error() {
    let ids = |base: u32, range: u32| {
        format!(
            "[supervisor]\nper_consumer_descriptor_base = {base}\nper_consumer_descriptor_range = {range}\n"
        )
    };
    for (base, expected) in [
        (995, "contain the control stream"),
        (1001, "contain the announce stream"),
        (1200, "contain the qos stream"),
        (1100, "contain the descriptor stream"),
        (1300, "contain the metadata stream"),
    ] {
        let message = bad(&ids(base, 6));
        assert!(message.contains(expected), "{message}");
    }
    let message = bad(&ids(2_147_483_000, 1_000));
    assert!(message.contains("the last id Aeron has"), "{message}");
    let stream = "[streams.a]\nstream_id = 31005\nprofile = \"p\"\n[profiles.p]\n\
                  payload_pools = [{ pool_id = 1, stride_bytes = 64 }]\n";
    let message = bad(&format!("{}{stream}", ids(31_000, 10)));
    assert!(message.contains("contain that of `streams.a`"), "{message}");
    let message = bad(&format!(
        "driver.stream_id_range = \"31009-31020\"\n{}",
        ids(31_000, 10)
    ));
    assert!(
        message.contains("`driver.stream_id_range` overlap"),
        "{message}"
    );
    let both = format!(
        "{}per_consumer_control_base = 31009\nper_consumer_control_range = 1\nper_consumer_enabled = true\n",
        ids(31_000, 10)
    );
    assert!(bad(&both).contains("31009-31009 overlaps 31000-31009"));
    let other = format!(
        "driver.control_stream_id_range = \"31005-31006\"\n{}",
        ids(31_000, 10)
    );
    assert!(bad(&other).contains("31005-31006 overlaps 31000-31009"));
}

/// Proves [TP-DRV-2870].
#[test]
fn streams_that_are_named_with_two_term_lengths_are_warned_of_whichever_they_are() {
    for (text, expected) in [
        (
            "[driver]\nqos_stream_id = 1001\nqos_channel = \"aeron:ipc?term-length=64k\"\n",
            "qos and announce have two term lengths on stream 1001",
        ),
        (
            "[supervisor]\ncontrol_channel = \"aeron:ipc?term-length=64k\"\n",
            "supervisor.control and driver.control have two term lengths on stream 1000",
        ),
        (
            "[supervisor]\nmetadata_channel = \"aeron:ipc?term-length=64k\"\n\
             metadata_stream_id = 1200\n",
            "supervisor.metadata and driver.qos have two term lengths on stream 1200",
        ),
        (
            "[driver]\nannounce_stream_id = 1000\nannounce_channel = \"aeron:ipc?mtu=4k\"\n",
            "announce and control use stream 1000 on different channels",
        ),
    ] {
        let loaded = good(text);
        let found = said(&loaded);
        let hits = found.iter().filter(|one| one.contains(expected)).count();
        assert_eq!(hits, 1, "{expected}: {found:?}");
        assert!(found.iter().any(|one| one.contains("differs from")));
    }
    for text in [
        "",
        "[supervisor]\n",
        "[supervisor]\nmetadata_channel = \"aeron:ipc?term-length=64k\"\n",
        // Elsewhere, whatever its number.
        "[supervisor]\nqos_channel = \"aeron:udp?endpoint=localhost:40123|term-length=64k\"\n",
    ] {
        let found = said(&good(text));
        assert!(
            !found.iter().any(|one| one.contains("term lengths")),
            "{text}: {found:?}"
        );
    }
}

/// Proves [TP-DRV-2860].
#[test]
fn every_key_of_a_supervisor_can_be_given_by_a_variable() {
    let variable = |line: &str| {
        let (key, value) = line.split_once(" = ")?;
        let name = format!("SUPERVISOR_{}", key.to_ascii_uppercase());
        Some((name, value.trim_matches('"').to_owned()))
    };
    let given: Vec<(String, String)> = WHOLE.lines().filter_map(variable).collect();
    let variables: Vec<(&str, &str)> = given
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(variables.len(), 21);
    let loaded = load_with("", &variables, &[]).unwrap();
    assert_eq!(loaded.settings, good(WHOLE).settings);
    let over = [("SUPERVISOR_FORCE_MODE", "1")];
    let loaded = load_with(WHOLE, &over, &[]).unwrap();
    assert_eq!(
        loaded.settings.supervisor.force_mode, 1,
        "it wins over the file"
    );
    let message = bad_env("SUPERVISOR_FORCE_MODE", "9");
    assert!(message.contains("SUPERVISOR_FORCE_MODE"), "{message}");
    let off = [("SUPERVISOR_WITH_DRIVER", "false")];
    let loaded = load_with(WHOLE, &off, &[]).unwrap();
    assert!(!loaded.settings.supervisor.with_driver);
    let alone = load_with("", &over, &[]).unwrap().settings;
    assert!(!alone.supervisor.with_driver, "a variable is no table");
}
