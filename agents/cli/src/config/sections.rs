//! Reads the driver's tables whose keys can be overridden: `[driver]`, `[shm]` and `[policies]`.

use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::document::{Document, in_file};
use super::environment::OVERRIDABLE_KEYS;
use super::settings::{DriverSettings, Endpoint};
use super::values::Given;

/// Warns of unknown keys in the tables whose keys can be overridden.
pub(super) fn check_known_keys(document: &mut Document<'_>) {
    for path in ["driver", "shm", "policies", "supervisor"] {
        let mut known: Vec<&str> = OVERRIDABLE_KEYS
            .iter()
            .filter_map(|key| key.strip_prefix(path)?.strip_prefix('.'))
            .collect();
        if path == "shm" {
            known.push("allowed_base_dirs");
        }
        if let Some(table) = document.table(path) {
            document.check_keys(path, table, &known);
        }
    }
}

/// Reads `[driver]`.
pub(super) fn read_driver(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let driver = &mut settings.driver;
    document.read("driver.instance_id", &mut driver.instance_id, |given| {
        given.text("driver.instance_id").map(str::to_owned)
    });
    document.read("driver.aeron_dir", &mut driver.aeron_dir, |given| {
        let dir = given.text("driver.aeron_dir")?;
        Ok((!dir.is_empty()).then(|| PathBuf::from(dir)))
    });
    read_endpoint(document, "control", &mut driver.control);
    read_endpoint(document, "announce", &mut driver.announce);
    read_endpoint(document, "qos", &mut driver.qos);
    for (key, ranges) in [
        ("driver.stream_id_range", &mut driver.stream_id_ranges),
        (
            "driver.descriptor_stream_id_range",
            &mut driver.descriptor_stream_id_ranges,
        ),
        (
            "driver.control_stream_id_range",
            &mut driver.control_stream_id_ranges,
        ),
    ] {
        document.read(key, ranges, |given| given.ranges(key));
    }
}

fn read_endpoint(document: &mut Document<'_>, name: &str, endpoint: &mut Endpoint) {
    let key = format!("driver.{name}_channel");
    document.read(&key, &mut endpoint.channel, |given| {
        let channel = given.text(&key)?;
        if channel.starts_with("aeron:") {
            return Ok(channel.to_owned());
        }
        Err(given.wrong(
            &key,
            "an Aeron channel such as \"aeron:ipc?term-length=4m\"",
        ))
    });
    let key = format!("driver.{name}_stream_id");
    document.read(&key, &mut endpoint.stream_id, |given| {
        let id = given.integer_u32(&key, 1..=i32::MAX as u32, "an Aeron stream id")?;
        Ok(id as i32)
    });
}

/// Reads `[shm]`.
pub(super) fn read_shm(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let shm = &mut settings.shm;
    document.read("shm.base_dir", &mut shm.base_dir, |given| {
        let dir = absolute(given, "shm.base_dir")?;
        if dir.as_os_str().as_encoded_bytes().contains(&b'|') {
            return Err(given.wrong(
                "shm.base_dir",
                "a path without '|', which divides region URIs",
            ));
        }
        Ok(dir)
    });
    document.read("shm.namespace", &mut shm.namespace, |given| {
        let name = given.text("shm.namespace")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_component = !name.is_empty() && name != "." && name != ".." && name.len() <= 128;
        if is_component && name.chars().all(is_plain) {
            return Ok(name.to_owned());
        }
        Err(given.wrong(
            "shm.namespace",
            "one path component of letters, digits, '.', '_' and '-'",
        ))
    });
    document.read(
        "shm.require_hugepages",
        &mut shm.require_hugepages,
        |given| given.boolean("shm.require_hugepages"),
    );
    document.read("shm.page_size_bytes", &mut shm.page_size_bytes, |given| {
        let key = "shm.page_size_bytes";
        let size = given.integer_u32(key, 4096..=1 << 30, "a page size")?;
        if size.is_power_of_two() {
            Ok(size)
        } else {
            Err(given.wrong(key, "a power of two"))
        }
    });
    document.read("shm.permissions_mode", &mut shm.permissions_mode, |given| {
        given.mode("shm.permissions_mode")
    });
    shm.allowed_base_dirs = vec![shm.base_dir.clone()];
    if let Some(given) = document
        .table("shm")
        .and_then(|shm| in_file(shm, "allowed_base_dirs"))
    {
        let read = directories(given);
        document.keep(&mut shm.allowed_base_dirs, read);
    }
}

fn absolute(given: Given<'_>, key: &str) -> Result<PathBuf, Diagnostic> {
    let path = Path::new(given.text(key)?);
    let climbs = path
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    if path.is_absolute() && !climbs {
        return Ok(path.to_owned());
    }
    Err(given.wrong(key, "an absolute path without '..'"))
}

fn directories(given: Given<'_>) -> Result<Vec<PathBuf>, Diagnostic> {
    let key = "shm.allowed_base_dirs";
    let wrong = || given.wrong(key, "an array of absolute paths");
    let Given::File(value) = given else {
        return Err(wrong());
    };
    let items = value
        .get_ref()
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(wrong)?;
    items
        .iter()
        .map(|item| absolute(Given::File(item), key))
        .collect()
}

/// Reads `[policies]`, but for the default profile.
pub(super) fn read_policies(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let policies = &mut settings.policies;
    for (key, value) in [
        (
            "policies.allow_dynamic_streams",
            &mut policies.allow_dynamic_streams,
        ),
        ("policies.prefault_shm", &mut policies.prefault_shm),
        ("policies.mlock_shm", &mut policies.mlock_shm),
        (
            "policies.reuse_existing_shm",
            &mut policies.reuse_existing_shm,
        ),
        (
            "policies.cleanup_shm_on_exit",
            &mut policies.cleanup_shm_on_exit,
        ),
        ("policies.epoch_gc_enabled", &mut policies.epoch_gc_enabled),
        (
            "policies.epoch_gc_on_startup",
            &mut policies.epoch_gc_on_startup,
        ),
        (
            "policies.allow_non_power_of_two_strides",
            &mut policies.allow_non_power_of_two_strides,
        ),
    ] {
        document.read(key, value, |given| given.boolean(key));
    }
    const HOUR_MS: u32 = 3_600_000;
    let ms = "milliseconds";
    for (key, value, allowed, what) in [
        (
            "policies.announce_period_ms",
            &mut policies.announce_period_ms,
            10..=HOUR_MS,
            ms,
        ),
        (
            "policies.lease_keepalive_interval_ms",
            &mut policies.lease_keepalive_interval_ms,
            10..=HOUR_MS,
            ms,
        ),
        (
            "policies.lease_expiry_grace_intervals",
            &mut policies.lease_expiry_grace_intervals,
            1..=1000,
            "a number of intervals",
        ),
        (
            "policies.epoch_gc_keep",
            &mut policies.epoch_gc_keep,
            1..=1000,
            "a number of epochs, the live one included,",
        ),
        (
            "policies.shutdown_timeout_ms",
            &mut policies.shutdown_timeout_ms,
            0..=HOUR_MS,
            ms,
        ),
        (
            "policies.node_id_reuse_cooldown_ms",
            &mut policies.node_id_reuse_cooldown_ms,
            0..=HOUR_MS,
            ms,
        ),
    ] {
        document.read(key, value, |given| given.integer_u32(key, allowed, what));
    }
    document.read(
        "policies.shutdown_token",
        &mut policies.shutdown_token,
        |given| given.text("policies.shutdown_token").map(str::to_owned),
    );
    let mut min_age_ns = 0;
    document.read("policies.epoch_gc_min_age_ns", &mut min_age_ns, |given| {
        given.integer(
            "policies.epoch_gc_min_age_ns",
            0..=i64::MAX as u64,
            "nanoseconds",
        )
    });
    let three_periods_ns = u64::from(policies.announce_period_ms) * 3_000_000;
    policies.epoch_gc_min_age_ns = if min_age_ns == 0 {
        three_periods_ns
    } else {
        min_age_ns
    };
}

/// Reads `policies.default_profile`, which names one of the profiles read before; a single one is
/// it anyway.
pub(super) fn read_default_profile(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let known: Vec<String> = settings.profiles.keys().cloned().collect();
    let only = if let [only] = known.as_slice() {
        Some(only.clone())
    } else {
        None
    };
    settings.policies.default_profile = only;
    let key = "policies.default_profile";
    document.read(key, &mut settings.policies.default_profile, |given| {
        let name = given.text(key)?;
        if known.iter().any(|known| known == name) {
            return Ok(Some(name.to_owned()));
        }
        Err(given.wrong(
            key,
            &format!("the name of a profile ({})", known.join(", ")),
        ))
    });
}
