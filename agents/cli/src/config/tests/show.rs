//! What is shown of a configuration, and that it reads back.

use serde_json::json;

use super::*;

fn entry(loaded: &LoadedConfig, key: &str) -> Entry {
    let mut entries = entries(loaded).into_iter();
    let found = entries.find(|entry| entry.key == key);
    found.unwrap_or_else(|| panic!("{key} is missing"))
}

#[test]
fn every_key_has_a_value_and_says_where_it_is_from() {
    let text = "[driver]\ncontrol_stream_id = 2000\n\n[shm]\nbase_dir = \"/mnt\"\n\
                [profiles.camera]\npayload_pools = [{ pool_id = 1, stride_bytes = 4096 }]\n";
    let variables = [("TP_CONTROL_CHANNEL", "aeron:ipc")];
    let flags = [("driver.aeron_dir", "--aeron-dir", "/flag".to_owned())];
    let loaded = load_with(text, &variables, &flags).expect("loads");
    for entry in entries(&loaded) {
        assert!(!entry.value.is_null(), "{} has no value", entry.key);
    }
    let expected = [
        (
            "driver.control_stream_id",
            json!(2000),
            Origin::File { line: 2 },
        ),
        ("driver.qos_stream_id", json!(1200), Origin::Default),
        (
            "driver.control_channel",
            json!("aeron:ipc"),
            Origin::Outside("TP_CONTROL_CHANNEL".into()),
        ),
        (
            "driver.aeron_dir",
            json!("/flag"),
            Origin::Outside("--aeron-dir".into()),
        ),
        (
            "shm.allowed_base_dirs",
            json!(["/mnt"]),
            Origin::Derived("shm.base_dir"),
        ),
        (
            "policies.default_profile",
            json!("camera"),
            Origin::Derived("profiles"),
        ),
        (
            "profiles.camera.header_nslots",
            json!(1024),
            Origin::Default,
        ),
        (
            "profiles.camera.payload_pools",
            json!([{ "pool_id": 1, "stride_bytes": 4096 }]),
            Origin::File { line: 7 },
        ),
    ];
    for (key, value, origin) in expected {
        let entry = entry(&loaded, key);
        assert_eq!((entry.value, entry.origin), (value, origin), "{key}");
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same_configuration() {
    let odd = "policies.allow_dynamic_streams = true\n\
               driver.stream_id_range = [\"20000-20009\", \"30000-30001\"]\n\
               [profiles.a]\npayload_pools = [{ pool_id = 1, stride_bytes = 64 }]\n\
               [profiles.\"b c.d\"]\npayload_pools = [{ pool_id = 2, stride_bytes = 128 }]\n\
               [streams.\"left.eye\"]\nstream_id = 5\nprofile = \"b c.d\"\n";
    let chosen = format!("policies.default_profile = \"a\"\n{odd}");
    for text in ["", &chosen, &default_config_text()] {
        let loaded = good(text);
        let shown = as_toml(&entries(&loaded), &loaded.path);
        assert_eq!(good(&shown).settings, loaded.settings, "{shown}");
    }
}

#[test]
fn of_a_supervisor_is_shown_what_was_said() {
    let text = "[supervisor]\nconsumer_capacity = 0x10\nper_consumer_enabled = false\n\
                payload_fallback_uri = \"aeron:ipc\"\n";
    let loaded = good(text);
    let capacity = entry(&loaded, "supervisor.consumer_capacity");
    assert_eq!(
        (capacity.value, capacity.origin),
        (json!(16), Origin::File { line: 2 })
    );
    let every_key = super::supervisor::WHOLE;
    for loaded in [loaded, good(every_key)] {
        let shown = as_toml(&entries(&loaded), &loaded.path);
        assert_eq!(good(&shown).settings, loaded.settings, "{shown}");
    }
    let nothing = as_toml(&entries(&good("")), "x.toml");
    assert!(!nothing.contains("supervisor"), "{nothing}");
}

/// Proves [TP-DRV-2818].
#[test]
fn what_variables_say_of_a_supervisor_reads_back_without_them_and_brings_none() {
    let capacity = ("SUPERVISOR_CONSUMER_CAPACITY", "16");
    let with_driver = ("SUPERVISOR_WITH_DRIVER", "true");
    let ids = "driver.control_stream_id_range = \"32000-32009\"\n";
    for (text, variables, brings_one) in [
        ("", vec![capacity], false),
        (ids, vec![capacity], false),
        // As only variables may have it.
        (
            "",
            vec![("SUPERVISOR_FORCE_NO_SHM", "Yes"), (capacity.0, " 16 ")],
            false,
        ),
        ("", vec![capacity, with_driver], true),
        ("", vec![with_driver], true),
        ("[supervisor]\n", vec![capacity], true),
        ("supervisor.with_driver = false\n", vec![], false),
        ("supervisor.with_driver = false\n", vec![with_driver], true),
    ] {
        let loaded = load_with(text, &variables, &[]).expect("loads");
        let shown = as_toml(&entries(&loaded), &loaded.path);
        assert_eq!(good(&shown).settings, loaded.settings, "{shown}");
        let supervisor = &loaded.settings.supervisor;
        assert_eq!(supervisor.with_driver, brings_one, "{text}{variables:?}");
    }
}

/// Proves [TP-DRV-2815].
#[test]
fn a_table_of_a_supervisor_that_says_nothing_is_shown_and_reads_back() {
    let loaded = good("# first\n[supervisor]\n");
    let table = entry(&loaded, "supervisor");
    assert_eq!(
        (table.value, table.origin),
        (json!({}), Origin::File { line: 2 })
    );
    let shown = as_toml(&entries(&loaded), &loaded.path);
    assert!(good(&shown).settings.supervisor.with_driver, "{shown}");
    assert_eq!(good(&shown).settings, loaded.settings, "{shown}");
}

#[test]
fn a_token_is_shown_to_nobody() {
    let loaded = good("policies.shutdown_token = \"sesame\"");
    let entries = entries(&loaded);
    let toml = as_toml(&entries, "x.toml");
    assert!(
        toml.contains("policies.shutdown_token = (set, not shown)"),
        "{toml}"
    );
    assert!(toml.contains("# x.toml:1"), "{toml}");
    let json = as_json(&entries, "x.toml");
    assert_eq!(json["policies.shutdown_token"]["value"], "(set)");
    assert!(!toml.contains("sesame") && !json.to_string().contains("sesame"));
}

#[test]
fn a_diagnostic_knows_line_and_column_in_characters() {
    let error = parse(
        "x.toml",
        "# é\n[driver]\n  qos_stream_id = \"é\"\n".to_owned(),
        &Environment::empty(),
        &[],
    )
    .expect_err("is wrong");
    let at = error.diagnostics[0].position(&error.source_text);
    assert_eq!(at, Some((3, 19)));
}
