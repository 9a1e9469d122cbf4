//! Profiles, streams and how they go together.

use std::path::PathBuf;

use super::*;

#[test]
fn profiles_are_checked_slot_by_slot_and_pool_by_pool() {
    let profile = |nslots: &str, pools: &str| {
        format!("[profiles.p]\nheader_nslots = {nslots}\npayload_pools = [{pools}]\n")
    };
    let pool = "{ pool_id = 1, stride_bytes = 64 }";
    let message = bad(&profile("48", pool));
    assert!(
        message.contains("expected a power of two, found 48"),
        "{message}"
    );
    assert!(
        message.contains("nearest powers of two are 32 and 64"),
        "{message}"
    );
    assert!(bad(&profile("1", pool)).contains("a power of two from 2 to"));
    assert!(bad(&profile("64", "")).contains("`profiles.p` has no payload pools"));
    assert!(bad("[profiles.p]\n").contains("`profiles.p` has no payload pools"));
    assert!(bad(&profile("64", &format!("{pool}, {pool}"))).contains("pool id 1 occurs twice"));
    assert!(bad(&profile("64", "{ pool_id = 1 }")).contains("has no `stride_bytes`"));
    assert!(bad(&profile("64", "{ pool_id = 0, stride_bytes = 64 }")).contains("from 1 to 65534"));
    let odd = |stride: &str| profile("64", &format!("{{ pool_id = 1, stride_bytes = {stride} }}"));
    assert!(bad(&odd("100")).contains("the next multiple of 64 is 128"));
    assert!(bad(&odd("4294967296")).contains("found 4294967296"));
    let message = bad(&odd("192"));
    assert!(
        message.contains("the next power of two is 256"),
        "{message}"
    );
    assert!(
        message.contains("AeronTensorPool.jl cannot attach"),
        "{message}"
    );
    let allowed = format!(
        "policies.allow_non_power_of_two_strides = true\n{}",
        odd("192")
    );
    assert!(said(&good(&allowed))[0].contains("not attachable by AeronTensorPool.jl"));
    assert!(bad(&format!("{}max_dims = 4\n", profile("64", pool))).contains("from 8 to 8"));
}

#[test]
fn streams_name_an_existing_profile_and_an_id_of_their_own() {
    let stream = |name: &str, id: u32, profile: &str| {
        format!("[streams.{name}]\nstream_id = {id}\nprofile = \"{profile}\"\n")
    };
    let message = bad(&format!("{PROFILE}{}", stream("a", 1, "camra")));
    assert!(
        message.contains("expected the name of a profile (camera), found \"camra\""),
        "{message}"
    );
    let twice = format!(
        "{PROFILE}{}{}",
        stream("a", 7, "camera"),
        stream("b", 7, "camera")
    );
    assert!(bad(&twice).contains("`streams.b` and `streams.a` have the same stream id 7"));
    assert!(bad(&stream("a", 0, "default")).contains("a stream id from 1"));
    assert!(bad("[streams.a]\n").contains("`streams.a` has no `stream_id`"));
    assert!(bad("streams.a = 5").contains("expected a table [streams.a], found 5"));
    assert!(bad("driver = 5").contains("expected a table such as [driver], found 5"));
}

#[test]
fn a_file_with_a_profile_but_no_streams_serves_the_default_stream_with_it() {
    let settings = good(PROFILE).settings;
    assert_eq!(settings.policies.default_profile.as_deref(), Some("camera"));
    assert_eq!(settings.streams["default"].profile, "camera");
    let two =
        format!("{PROFILE}[profiles.b]\npayload_pools = [{{ pool_id = 1, stride_bytes = 64 }}]\n");
    assert!(bad(&two).contains("set policies.default_profile to one of b, camera"));
    let chosen = format!("policies.default_profile = \"b\"\n{two}");
    assert_eq!(good(&chosen).settings.streams["default"].profile, "b");
}

#[test]
fn dynamic_streams_need_ids_and_a_profile() {
    let message = bad("policies.allow_dynamic_streams = true");
    assert!(
        message.contains("needs driver.stream_id_range"),
        "{message}"
    );
    let text = "policies.allow_dynamic_streams = true\ndriver.stream_id_range = \"20000-29999\"\n";
    assert!(
        good(text).settings.streams.is_empty(),
        "no stream was asked for"
    );
    let two = format!(
        "{text}{PROFILE}[profiles.b]\npayload_pools = [{{ pool_id = 1, stride_bytes = 64 }}]\n"
    );
    assert!(bad(&two).contains("needs policies.default_profile"));
}

#[test]
fn ids_and_ranges_must_not_overlap() {
    let range = |key: &str, value: &str| bad(&format!("driver.{key} = \"{value}\""));
    assert!(
        range("descriptor_stream_id_range", "900-1100").contains("contains the control stream")
    );
    assert!(range("control_stream_id_range", "1150-1250").contains("contains the qos stream"));
    assert!(range("control_stream_id_range", "1300-1400").contains("contains the metadata stream"));
    assert!(range("descriptor_stream_id_range", "2147483000-2147483648").contains("2147483647"));
    let message = bad("driver.descriptor_stream_id_range = \"31000-32000\"\n\
                       driver.control_stream_id_range = \"32000-32999\"");
    assert!(
        message.contains("32000-32999 overlaps 31000-32000"),
        "{message}"
    );
    let message = bad("driver.stream_id_range = [\"20000-20010\", \"20010-20020\"]");
    assert!(message.contains("overlap each other"), "{message}");
    let message = bad("driver.stream_id_range = \"9000-11000\"");
    assert!(message.contains("9000-11000 contains 10000"), "{message}");
    let message = bad("driver.qos_stream_id = 1000");
    assert!(
        message.contains("qos and control use the same stream 1000"),
        "{message}"
    );
    assert_eq!(good("driver.announce_stream_id = 1000").diagnostics, []);
}

#[test]
fn no_id_is_set_aside_twice_or_has_a_use_already() {
    let two = |first: &str, second: &str| bad(&format!("driver.{first}\ndriver.{second}"));
    for (first, second) in [
        ("stream_id_range", "descriptor_stream_id_range"),
        ("stream_id_range", "control_stream_id_range"),
        ("descriptor_stream_id_range", "control_stream_id_range"),
    ] {
        let message = two(
            &format!("{first} = [\"40000-40009\", \"20000-20999\"]"),
            &format!("{second} = [20999, 21000]"),
        );
        let title = format!("`driver.{second}` and `driver.{first}` overlap");
        assert!(message.contains(&title), "{message}");
        assert!(
            message.contains("20999-21000 overlaps 20000-20999"),
            "{message}"
        );
        assert!(message.contains("tensorpool.toml:2:"), "{message}");
    }
    for key in [
        "stream_id_range",
        "descriptor_stream_id_range",
        "control_stream_id_range",
    ] {
        for (range, name) in [
            ("900-1000", "control"),
            ("1001,1002", "announce"),
            ("1200-1200", "qos"),
        ] {
            let message = bad(&format!("driver.{key} = \"{range}\""));
            let title = format!("`driver.{key}` contains the {name} stream");
            assert!(message.contains(&title), "{message}");
        }
        let message = bad(&format!("driver.{key} = \"9999-10001\""));
        assert!(
            message.contains("contains the id of `streams.default`"),
            "{message}"
        );
    }
}

#[test]
fn a_wrong_range_is_shown_in_its_place() {
    let expected = "\
error: `driver.control_stream_id_range` and `driver.descriptor_stream_id_range` overlap
 --> tensorpool.toml:3:27
  |
3 | control_stream_id_range = \"31500-32999\"
  |                           ^^^^^^^^^^^^^ 31500-32999 overlaps 31000-31999";
    let text = "[driver]\ndescriptor_stream_id_range = \"31000-31999\"\n\
                control_stream_id_range = \"31500-32999\"";
    assert_eq!(bad(text), expected);
}

#[test]
fn dynamic_streams_without_ids_are_warned_of() {
    let text = format!(
        "policies.allow_dynamic_streams = true\n{PROFILE}\
         [streams.a]\nstream_id = 5\nprofile = \"camera\""
    );
    let said = said(&good(&text));
    let expected = "warning: dynamic streams are allowed without ids for them";
    assert!(said[0].contains(expected), "{}", said[0]);
    assert!(said[0].contains("20000-29999"), "{}", said[0]);
}

#[test]
fn rights_for_everyone_are_refused_as_clients_refuse_them() {
    let refused = bad("shm.permissions_mode = \"666\"");
    assert!(refused.contains("nobody could attach"), "{refused}");
    good("shm.permissions_mode = \"660\"");
}

#[test]
fn a_base_directory_that_no_uri_can_name_is_refused_at_the_start() {
    let refused = bad("shm.base_dir = \"/mnt/a|b\"");
    assert!(refused.contains("a path without '|'"), "{refused}");
}

#[test]
fn a_default_stream_that_is_not_there_any_more_is_told_of() {
    let dynamic = "policies.allow_dynamic_streams = true\ndriver.stream_id_range = \"5-9\"\n";
    let loaded = good(dynamic);
    assert!(loaded.settings.streams.is_empty());
    let told = said(&loaded);
    assert!(told[0].contains("there is no stream 10000"), "{}", told[0]);
    let own = format!("{dynamic}{PROFILE}[streams.a]\nstream_id = 10000\nprofile = \"camera\"");
    assert_eq!(said(&good(&own)), [""; 0]);
}

#[test]
fn the_live_epoch_is_always_kept() {
    assert!(bad("policies.epoch_gc_keep = 0").contains("from 1 to 1000"));
}

#[test]
fn allowed_directories_follow_the_base_directory() {
    let settings = good("shm.base_dir = \"/mnt/x\"").settings;
    assert_eq!(settings.shm.allowed_base_dirs, [PathBuf::from("/mnt/x")]);
    let loaded = good("shm.allowed_base_dirs = [\"/elsewhere\"]");
    let told = said(&loaded);
    assert!(told[0].contains("does not contain `shm.base_dir`"));
    assert!(told[0].contains("no client that is given this file"));
    // A generated file whose base directory is changed lets its clients in.
    let generated =
        default_config_text().replace("base_dir = \"/dev/shm\"\n", "base_dir = \"/mnt/x\"\n");
    let settings = good(&generated).settings;
    assert_eq!(settings.shm.allowed_base_dirs, [PathBuf::from("/mnt/x")]);
    assert!(bad("shm.allowed_base_dirs = [\"/a/../b\"]").contains("without '..'"));
    assert!(bad("shm.allowed_base_dirs = []").contains("an array of absolute paths"));
}
