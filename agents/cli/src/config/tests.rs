use std::io::Write as _;
use std::path::PathBuf;

use super::*;

mod show;
mod streams;
mod supervisor;

type Flags = [(&'static str, &'static str, String)];

fn load_with(
    text: &str,
    variables: &[(&str, &str)],
    flags: &Flags,
) -> Result<LoadedConfig, String> {
    parse(
        "tensorpool.toml",
        text.to_owned(),
        &Environment::from_pairs(variables),
        flags,
    )
    .map_err(|error| error.to_string())
}

fn good(text: &str) -> LoadedConfig {
    load_with(text, &[], &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn bad(text: &str) -> String {
    load_with(text, &[], &[])
        .map(|loaded| format!("{:#?}", loaded.settings))
        .expect_err("is wrong")
}

fn bad_env(name: &str, value: &str) -> String {
    load_with("", &[(name, value)], &[]).expect_err("is wrong")
}

fn said(loaded: &LoadedConfig) -> Vec<String> {
    let render = |one: &Diagnostic| one.render(&loaded.path, &loaded.source_text, false);
    loaded.diagnostics.iter().map(render).collect()
}

const PROFILE: &str = "
[profiles.camera]
header_nslots = 64
payload_pools = [{ pool_id = 1, stride_bytes = 65536 }]
";

#[test]
fn nothing_configured_is_one_small_stream() {
    let settings = good("").settings;
    assert_eq!(settings, DriverSettings::small());
    assert_eq!(settings.driver.control.channel, "aeron:ipc?term-length=4m");
    let endpoints = [
        &settings.driver.control,
        &settings.driver.announce,
        &settings.driver.qos,
    ];
    assert_eq!(
        endpoints.map(|endpoint| endpoint.stream_id),
        [1000, 1001, 1200]
    );
    assert_eq!(settings.shm.base_dir, PathBuf::from("/dev/shm"));
    assert_eq!(settings.shm.permissions_mode, 0o660);
    let stream = &settings.streams["default"];
    assert_eq!(
        (stream.stream_id, stream.profile.as_str()),
        (10_000, "default")
    );
}

#[test]
fn the_default_profile_fits_a_container_with_the_epochs_it_keeps() {
    let settings = DriverSettings::small();
    let profile = &settings.profiles["default"];
    assert!(profile.header_nslots <= 64);
    let epoch_count = u64::from(settings.policies.epoch_gc_keep) + 1;
    assert!(
        epoch_count * profile.epoch_bytes() <= 256 << 20,
        "{} bytes",
        profile.epoch_bytes()
    );
    let header_ring = 64 + 16 * 256;
    let pools = 3 * 64 + 16 * ((4 << 10) + (1 << 20) + (4 << 20));
    assert_eq!(profile.epoch_bytes(), header_ring + pools);
}

#[test]
fn generated_text_reads_back_as_the_defaults_without_remark() {
    let text = default_config_text();
    let loaded = good(&text);
    assert_eq!(loaded.settings, DriverSettings::small());
    assert_eq!(said(&loaded), [""; 0]);
    assert!(text.lines().all(|line| line.len() <= 100));
}

#[test]
fn generated_text_mentions_every_key_there_is() {
    let text = default_config_text();
    for key in super::environment::OVERRIDABLE_KEYS {
        let name = key.split_once('.').expect("a dotted key").1;
        assert!(text.contains(&format!("{name} = ")), "{key} is missing");
    }
}

#[test]
fn every_key_is_read() {
    let settings = good(
        r#"
[driver]
instance_id = "rig"
aeron_dir = "/tmp/aeron"
control_channel = "aeron:ipc"
control_stream_id = 2000
announce_channel = "aeron:ipc?term-length=64k"
announce_stream_id = 2001
qos_channel = "aeron:ipc?term-length=128k"
qos_stream_id = 2002
stream_id_range = "20000-20009"
descriptor_stream_id_range = "31000,31999"
control_stream_id_range = [32000, 32999]
[shm]
base_dir = "/mnt/pool"
namespace = "lab.1"
require_hugepages = true
page_size_bytes = 2097152
permissions_mode = "0640"
allowed_base_dirs = ["/mnt", "/dev/shm"]
[policies]
allow_dynamic_streams = true
default_profile = "camera"
announce_period_ms = 500
lease_keepalive_interval_ms = 250
lease_expiry_grace_intervals = 5
prefault_shm = false
mlock_shm = true
reuse_existing_shm = true
cleanup_shm_on_exit = false
epoch_gc_enabled = false
epoch_gc_keep = 1
epoch_gc_min_age_ns = 7
epoch_gc_on_startup = true
shutdown_timeout_ms = 100
shutdown_token = "please"
node_id_reuse_cooldown_ms = 50
allow_non_power_of_two_strides = true
[profiles.camera]
header_nslots = 8
header_slot_bytes = 256
max_dims = 8
payload_pools = [{ pool_id = 2, stride_bytes = 1024 }, { pool_id = 1, stride_bytes = 192 }]
[streams.left]
stream_id = 10001
profile = "camera"
"#,
    )
    .settings;
    let range = |first, last| vec![IdRange { first, last }];
    let endpoint = |channel: &str, stream_id| Endpoint {
        channel: channel.to_owned(),
        stream_id,
    };
    let expected = DriverSettings {
        driver: EndpointSettings {
            instance_id: "rig".to_owned(),
            aeron_dir: Some("/tmp/aeron".into()),
            control: endpoint("aeron:ipc", 2000),
            announce: endpoint("aeron:ipc?term-length=64k", 2001),
            qos: endpoint("aeron:ipc?term-length=128k", 2002),
            stream_id_ranges: range(20_000, 20_009),
            descriptor_stream_id_ranges: range(31_000, 31_999),
            control_stream_id_ranges: range(32_000, 32_999),
        },
        shm: ShmSettings {
            base_dir: "/mnt/pool".into(),
            namespace: "lab.1".to_owned(),
            require_hugepages: true,
            page_size_bytes: 2 << 20,
            permissions_mode: 0o640,
            allowed_base_dirs: vec!["/mnt".into(), "/dev/shm".into()],
        },
        policies: PolicySettings {
            allow_dynamic_streams: true,
            default_profile: Some("camera".to_owned()),
            announce_period_ms: 500,
            lease_keepalive_interval_ms: 250,
            lease_expiry_grace_intervals: 5,
            prefault_shm: false,
            mlock_shm: true,
            reuse_existing_shm: true,
            cleanup_shm_on_exit: false,
            epoch_gc_enabled: false,
            epoch_gc_keep: 1,
            epoch_gc_min_age_ns: 7,
            epoch_gc_on_startup: true,
            shutdown_timeout_ms: 100,
            shutdown_token: "please".to_owned(),
            node_id_reuse_cooldown_ms: 50,
            allow_non_power_of_two_strides: true,
        },
        supervisor: SupervisorSettings {
            control: endpoint("aeron:ipc", 2000),
            announce: endpoint("aeron:ipc?term-length=64k", 2001),
            qos: endpoint("aeron:ipc?term-length=128k", 2002),
            ..SupervisorSettings::default()
        },
        profiles: [(
            "camera".to_owned(),
            ProfileSettings {
                header_nslots: 8,
                payload_pools: vec![
                    PoolSettings {
                        pool_id: 1,
                        stride_bytes: 192,
                    },
                    PoolSettings {
                        pool_id: 2,
                        stride_bytes: 1024,
                    },
                ],
            },
        )]
        .into(),
        streams: [(
            "left".to_owned(),
            StreamSettings {
                stream_id: 10_001,
                profile: "camera".to_owned(),
            },
        )]
        .into(),
    };
    assert_eq!(settings, expected);
}

#[test]
fn both_spellings_of_pools_and_an_empty_parent_table_mean_the_same() {
    let inline = "[streams]\n[streams.a]\nstream_id = 1\nprofile = \"p\"\n[profiles.p]\n\
                  payload_pools = [{ pool_id = 1, stride_bytes = 64 },\n\
                  { pool_id = 2, stride_bytes = 128 }]";
    let headed = "[streams.a]\nstream_id = 1\nprofile = \"p\"\n[profiles.p]\n\
                  [[profiles.p.payload_pools]]\npool_id = 1\nstride_bytes = 64\n\
                  [[profiles.p.payload_pools]]\npool_id = 2\nstride_bytes = 128";
    assert_eq!(good(inline).settings, good(headed).settings);
    assert_eq!(good(inline).settings.profiles["p"].header_nslots, 1024);
}

#[test]
fn ranges_have_four_spellings() {
    let ranges = |value: &str| {
        let text = format!("driver.descriptor_stream_id_range = {value}");
        good(&text).settings.driver.descriptor_stream_id_ranges
    };
    let one = [IdRange {
        first: 31_000,
        last: 31_999,
    }];
    assert_eq!(ranges("\"31000-31999\""), one);
    assert_eq!(ranges("\"31000, 31999\""), one);
    assert_eq!(ranges("[31000, 31999]"), one);
    assert_eq!(ranges("[\"31000-31999\"]"), one);
    assert_eq!(ranges("[\"31000-31999\", \"40000-40001\"]").len(), 2);
    for wrong in [
        "\"9-3\"",
        "\"0-3\"",
        "5",
        "[1, 2, 3]",
        "[1, \"2-3\"]",
        "\"a-b\"",
    ] {
        let message = bad(&format!("driver.descriptor_stream_id_range = {wrong}"));
        assert!(
            message.contains("expected a range of ids above 0 such as"),
            "{message}"
        );
    }
}

#[test]
fn modes_are_octal_however_they_are_written() {
    let mode = |value: &str| {
        good(&format!("shm.permissions_mode = {value}"))
            .settings
            .shm
            .permissions_mode
    };
    for value in ["\"660\"", "\"0660\"", "\"0o660\"", "0o660"] {
        assert_eq!(mode(value), 0o660, "{value}");
    }
    for wrong in ["660", "\"888\"", "\"1777\"", "\"060\"", "true"] {
        let message = bad(&format!("shm.permissions_mode = {wrong}"));
        assert!(
            message.contains("an octal mode such as \"660\""),
            "{message}"
        );
    }
}

#[test]
fn malformed_toml_shows_line_and_caret() {
    let expected = "\
error: this is not TOML
 --> tensorpool.toml:2:20
  |
2 | control_stream_id =
  |                    ^ string values must be quoted, expected literal string";
    assert_eq!(bad("[driver]\ncontrol_stream_id =\n"), expected);
}

#[test]
fn a_wrong_value_shows_its_place_what_was_expected_and_what_was_found() {
    let expected = "\
error: wrong value for `driver.control_stream_id`
 --> tensorpool.toml:2:21
  |
2 | control_stream_id = \"many\"
  |                     ^^^^^^ expected an Aeron stream id from 1 to 2147483647, found \"many\"";
    assert_eq!(bad("[driver]\ncontrol_stream_id = \"many\"\n"), expected);
}

#[test]
fn all_errors_are_reported_together() {
    let message =
        bad("driver.control_stream_id = 0\nshm.namespace = \"a/b\"\npolicies.prefault_shm = 1");
    assert_eq!(message.matches("error: ").count(), 3, "{message}");
    assert!(message.contains("tensorpool.toml:1:28"));
    assert!(message.contains("expected true or false, found 1"));
    assert!(message.contains("one path component of letters, digits"));
}

#[test]
fn unknown_keys_are_warned_of_with_the_likely_one() {
    let loaded = good("[driver]\ncontrol_streem_id = 5\n[polices]\nx = 1\n");
    let expected = "\
warning: unknown key `driver.control_streem_id`
 --> tensorpool.toml:2:1
  |
2 | control_streem_id = 5
  | ^^^^^^^^^^^^^^^^^ ignored
  |
  = help: did you mean `control_stream_id`?";
    let said = said(&loaded);
    assert_eq!(said.len(), 2);
    assert!(
        said.iter().any(|one| one == expected),
        "{}",
        said.join("\n")
    );
    assert!(
        said.iter()
            .any(|one| one.contains("did you mean `policies`?"))
    );
    assert_eq!(loaded.settings.driver.control.stream_id, 1000);
}

#[test]
fn an_unknown_key_that_resembles_none_lists_those_there_are() {
    let said = said(&good(&format!("{PROFILE}colour = 3")));
    let help = "known keys here: header_nslots, payload_pools, header_slot_bytes, max_dims";
    assert!(said[0].contains(help), "{}", said[0]);
}

#[test]
fn tables_of_other_roles_are_noted_and_left_alone() {
    let loaded = good("[recorder]\nconsumer_stale_ms = 5\n[bridge]\nx = 1\n[[mappings]]\ny = 2\n");
    let severities: Vec<Severity> = loaded.diagnostics.iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::Notice; 3]);
    assert!(said(&loaded)[0].contains("belongs to another role"));
}

#[test]
fn precedence_is_flag_then_environment_then_file_then_default() {
    let file = "driver.aeron_dir = \"/file\"\ndriver.control_stream_id = 2000";
    let variables = [
        ("DRIVER_AERON_DIR", "/env"),
        ("DRIVER_QOS_STREAM_ID", "2200"),
    ];
    let flags = [("driver.aeron_dir", "--aeron-dir", "/flag".to_owned())];
    let dir = |loaded: &LoadedConfig| loaded.settings.driver.aeron_dir.clone();

    let loaded = load_with(file, &variables, &flags).expect("loads");
    assert_eq!(dir(&loaded), Some("/flag".into()));
    assert_eq!(loaded.settings.driver.qos.stream_id, 2200);
    assert_eq!(loaded.settings.driver.control.stream_id, 2000);
    let origins: Vec<&str> = loaded
        .overrides
        .iter()
        .map(|one| one.origin.as_str())
        .collect();
    assert_eq!(origins, ["--aeron-dir", "DRIVER_QOS_STREAM_ID"]);

    let loaded = load_with(file, &variables, &[]).expect("loads");
    assert_eq!(dir(&loaded), Some("/env".into()));
    assert_eq!(dir(&good(file)), Some("/file".into()));
    assert_eq!(
        dir(&good("driver.aeron_dir = \"\"")),
        None,
        "empty means Aeron's default"
    );
}

#[test]
fn aliases_of_variables_lose_against_the_canonical_name() {
    let alias = [
        ("TP_CONTROL_STREAM_ID", "3000"),
        ("AERON_DIR", "/a"),
        ("TP_CONTROL_CHANNEL", "aeron:ipc"),
    ];
    let settings = load_with("", &alias, &[]).expect("loads").settings;
    assert_eq!(settings.driver.control.stream_id, 3000);
    assert_eq!(settings.driver.control.channel, "aeron:ipc");
    assert_eq!(settings.driver.aeron_dir, Some("/a".into()));
    let both = [
        ("TP_CONTROL_STREAM_ID", "3000"),
        ("DRIVER_CONTROL_STREAM_ID", "3001"),
    ];
    let loaded = load_with("", &both, &[]).expect("loads");
    assert_eq!(loaded.settings.driver.control.stream_id, 3001);
    assert_eq!(loaded.overrides.len(), 1);
}

#[test]
fn every_kind_of_value_can_come_from_the_environment() {
    let variables = [
        ("POLICIES_PREFAULT_SHM", "0"),
        ("POLICIES_ANNOUNCE_PERIOD_MS", "200"),
        ("DRIVER_STREAM_ID_RANGE", "20000-20001"),
        ("SHM_PERMISSIONS_MODE", "600"),
    ];
    let settings = load_with("", &variables, &[]).expect("loads").settings;
    assert!(!settings.policies.prefault_shm);
    assert_eq!(settings.policies.announce_period_ms, 200);
    assert_eq!(
        settings.policies.epoch_gc_min_age_ns, 600_000_000,
        "follows the announce period"
    );
    assert_eq!(settings.driver.stream_id_ranges.len(), 1);
    assert_eq!(settings.shm.permissions_mode, 0o600);
}

#[test]
fn a_wrong_variable_is_named_with_its_value() {
    let expected = "\
error: wrong value for `driver.control_stream_id` from DRIVER_CONTROL_STREAM_ID: \
expected an Aeron stream id from 1 to 2147483647, found \"abc\"
 |
 = help: correct or remove DRIVER_CONTROL_STREAM_ID";
    assert_eq!(bad_env("DRIVER_CONTROL_STREAM_ID", "abc"), expected);
    assert!(bad_env("SHM_BASE_DIR", "relative").contains("an absolute path without '..'"));
    assert!(bad_env("POLICIES_MLOCK_SHM", "maybe").contains("expected true or false"));
}

#[test]
fn a_misspelt_variable_is_warned_of_and_unrelated_ones_are_not() {
    let variables = [
        ("DRIVER_CONTROL_STREAMID", "5"),
        ("DRIVER_LICENCE", "x"),
        ("HOME", "/"),
    ];
    let loaded = load_with("", &variables, &[]).expect("loads");
    let said = said(&loaded);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("DRIVER_CONTROL_STREAMID overrides nothing"));
    assert!(said[0].contains("did you mean DRIVER_CONTROL_STREAM_ID?"));
}

#[test]
fn files_are_read_and_missing_ones_named() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"driver.instance_id = \"from-file\"")
        .expect("written");
    let request = ConfigRequest {
        path: Some(file.path()),
        ..ConfigRequest::default()
    };
    assert_eq!(
        load(&request).expect("loads").settings.driver.instance_id,
        "from-file"
    );
    let request = ConfigRequest {
        path: Some("/nowhere/tensorpool.toml".as_ref()),
        ..ConfigRequest::default()
    };
    let message = load(&request).expect_err("missing").to_string();
    let expected = "error: cannot read the configuration file /nowhere/tensorpool.toml: ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn colours_are_only_there_when_asked_for() {
    let environment = Environment::empty();
    let error = parse("f", "driver = 5".to_owned(), &environment, &[]).expect_err("wrong");
    assert!(!error.render(false).contains('\u{1b}'));
    assert!(error.render(true).contains('\u{1b}'));
}
