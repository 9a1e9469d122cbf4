//! The configuration in effect: every key with its value, and where that is from.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::environment::OVERRIDABLE_KEYS;
use super::load::LoadedConfig;
use super::settings::{DriverSettings, PoolSettings};
use super::supervisor::SupervisorSettings;

/// A key whose value is nobody's business: it is a password.
const SECRET_KEY: &str = "policies.shutdown_token";
/// A key without a variable.
const ALLOWED_KEY: &str = "shm.allowed_base_dirs";
/// A key that may have no value: where there are several profiles, and none was chosen.
const PROFILE_KEY: &str = "policies.default_profile";
/// A key that says what the presence of its table says otherwise.
const WITH_DRIVER_KEY: &str = "supervisor.with_driver";

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, on this line.
    File {
        /// Counted from 1.
        line: usize,
    },
    /// A variable or a flag, as its user wrote it.
    Outside(String),
    /// It follows from another key, which is this one.
    Derived(&'static str),
}

/// One key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// With dots.
    pub key: String,
    /// What holds.
    pub value: Value,
    /// Says who.
    pub origin: Origin,
}

/// Every key there is, in the order of the file that is generated; of a supervisor those that are
/// set, and where none is, the table itself: it brings a supervisor into being.
#[must_use]
pub fn entries(loaded: &LoadedConfig) -> Vec<Entry> {
    let settings = &loaded.settings;
    let fixed = OVERRIDABLE_KEYS.iter().chain(&[ALLOWED_KEY]);
    let mut paths: Vec<Vec<&str>> = fixed.map(|key| key.split('.').collect()).collect();
    for name in settings.profiles.keys() {
        let fields = ["header_nslots", "payload_pools"];
        paths.extend(fields.map(|field| vec!["profiles", name, field]));
    }
    for name in settings.streams.keys() {
        paths.extend(["stream_id", "profile"].map(|field| vec!["streams", name, field]));
    }
    let root = DeTable::parse(&loaded.source_text).ok();
    let root = root.as_ref().map(|root| root.get_ref());
    let entry = |path: Vec<&str>| {
        let origin = origin_of(loaded, root, &path);
        let value = match path.as_slice() {
            // Nothing of a supervisor that nobody asked for: the table brings one into being.
            ["supervisor", ..] if origin == Origin::Default => return None,
            path => value_of(settings, path),
        };
        let key = dotted(&path);
        Some(Entry { key, value, origin })
    };
    let mut entries: Vec<Entry> = paths.into_iter().filter_map(entry).collect();
    let says_supervisor = |entry: &Entry| entry.key.starts_with("supervisor.");
    // [TP-DRV-2815]
    if settings.supervisor.with_driver && !entries.iter().any(says_supervisor) {
        entries.push(Entry {
            key: "supervisor".into(),
            value: json!({}),
            origin: origin_of(loaded, root, &["supervisor"]),
        });
    }
    // Variables are no table, but what is shown of them is. [TP-DRV-2818]
    let says_whether = |entry: &Entry| entry.key == WITH_DRIVER_KEY;
    if !settings.supervisor.with_driver
        && !entries.iter().any(says_whether)
        && let Some(first) = entries.iter().position(says_supervisor)
    {
        let entry = Entry {
            key: WITH_DRIVER_KEY.into(),
            value: json!(false),
            origin: Origin::Default,
        };
        entries.insert(first, entry);
    }
    entries
}

/// A key as TOML has it: names that are no plain words are quoted.
fn dotted(path: &[&str]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let quoted = path.iter().map(|name| {
        if !name.is_empty() && name.chars().all(is_plain) {
            (*name).to_owned()
        } else {
            Value::from(*name).to_string()
        }
    });
    quoted.collect::<Vec<_>>().join(".")
}

/// The entries as a TOML text that reads back as the same configuration, with the origin of each
/// value beside it. A token is left out.
#[must_use]
pub fn as_toml(entries: &[Entry], path: &str) -> String {
    let mut text = String::new();
    for entry in entries {
        let line = entry.toml();
        let comment = entry.origin.describe(path);
        let is_unset = entry.key == PROFILE_KEY && entry.value == json!("");
        let mark = if is_unset || entry.is_secret() {
            "# "
        } else {
            ""
        };
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "{mark}{line:<60} # {comment}");
    }
    text
}

/// The entries as one JSON object: key to value and origin.
#[must_use]
pub fn as_json(entries: &[Entry], path: &str) -> Value {
    let mut object = Map::new();
    for entry in entries {
        let value = if entry.is_secret() {
            Value::from("(set)")
        } else {
            entry.value.clone()
        };
        let origin = entry.origin.describe(path);
        object.insert(
            entry.key.clone(),
            json!({ "value": value, "origin": origin }),
        );
    }
    Value::Object(object)
}

/// Whether the value of a key is not to be shown.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    key == SECRET_KEY
}

impl Entry {
    fn is_secret(&self) -> bool {
        is_secret(&self.key) && self.value != json!("")
    }

    fn toml(&self) -> String {
        if self.is_secret() {
            return format!("{} = (set, not shown)", self.key);
        }
        format!("{} = {}", self.key, toml_of(&self.value))
    }
}

impl Origin {
    fn describe(&self, path: &str) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File { line } => format!("{path}:{line}"),
            Self::Outside(origin) => origin.clone(),
            Self::Derived(key) => format!("from {key}"),
        }
    }
}

fn toml_of(value: &Value) -> String {
    let join = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", join(items.iter().map(toml_of).collect())),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("{key} = {}", toml_of(value));
            format!("{{ {} }}", join(fields.iter().map(field).collect()))
        }
        plain => plain.to_string(),
    }
}

fn origin_of(loaded: &LoadedConfig, root: Option<&DeTable<'_>>, path: &[&str]) -> Origin {
    let key = dotted(path);
    if let Some(set) = loaded.overrides.iter().find(|set| set.key == key) {
        return Origin::Outside(set.origin.clone());
    }
    if let Some(at) = root.and_then(|root| position_of(root, path)) {
        let before = &loaded.source_text[..at.min(loaded.source_text.len())];
        let line = before.matches('\n').count() + 1;
        return Origin::File { line };
    }
    let set = |key: &str| {
        let path: Vec<&str> = key.split('.').collect();
        origin_of(loaded, root, &path) != Origin::Default
    };
    match key.as_str() {
        ALLOWED_KEY if set("shm.base_dir") => Origin::Derived("shm.base_dir"),
        "policies.epoch_gc_min_age_ns" if set("policies.announce_period_ms") => {
            Origin::Derived("policies.announce_period_ms")
        }
        PROFILE_KEY if root.is_some_and(|root| root.contains_key("profiles")) => {
            Origin::Derived("profiles")
        }
        _ => Origin::Default,
    }
}

/// Where the value of a key begins in the file, in bytes.
fn position_of(root: &DeTable<'_>, path: &[&str]) -> Option<usize> {
    let mut table = root;
    let mut names = path.iter().peekable();
    while let Some(name) = names.next() {
        let value = table.get(*name)?;
        if names.peek().is_none() {
            return Some(value.span().start);
        }
        let DeValue::Table(next) = value.get_ref() else {
            return None;
        };
        table = next;
    }
    None
}

fn value_of(settings: &DriverSettings, path: &[&str]) -> Value {
    match path {
        ["driver", name] => driver_value(settings, name),
        ["shm", name] => shm_value(settings, name),
        ["policies", name] => policy_value(settings, name),
        ["supervisor", name] => supervisor_value(&settings.supervisor, name),
        ["profiles", name, field] => settings.profiles.get(*name).map(|profile| match *field {
            "header_nslots" => json!(profile.header_nslots),
            _ => profile.payload_pools.iter().map(pool_value).collect(),
        }),
        ["streams", name, field] => settings.streams.get(*name).map(|stream| match *field {
            "stream_id" => json!(stream.stream_id),
            _ => json!(stream.profile),
        }),
        _ => None,
    }
    .unwrap_or_default()
}

fn pool_value(pool: &PoolSettings) -> Value {
    json!({ "pool_id": pool.pool_id, "stride_bytes": pool.stride_bytes })
}

fn driver_value(settings: &DriverSettings, name: &str) -> Option<Value> {
    let driver = &settings.driver;
    let ranges = |ranges: &[super::IdRange]| {
        let texts = ranges.iter().map(|range| Value::from(range.to_string()));
        texts.collect::<Value>()
    };
    Some(match name {
        "instance_id" => json!(driver.instance_id),
        "aeron_dir" => json!(driver.aeron_dir.clone().unwrap_or_default()),
        "control_channel" => json!(driver.control.channel),
        "control_stream_id" => json!(driver.control.stream_id),
        "announce_channel" => json!(driver.announce.channel),
        "announce_stream_id" => json!(driver.announce.stream_id),
        "qos_channel" => json!(driver.qos.channel),
        "qos_stream_id" => json!(driver.qos.stream_id),
        "stream_id_range" => ranges(&driver.stream_id_ranges),
        "descriptor_stream_id_range" => ranges(&driver.descriptor_stream_id_ranges),
        "control_stream_id_range" => ranges(&driver.control_stream_id_ranges),
        _ => return None,
    })
}

fn shm_value(settings: &DriverSettings, name: &str) -> Option<Value> {
    let shm = &settings.shm;
    Some(match name {
        "base_dir" => json!(shm.base_dir),
        "namespace" => json!(shm.namespace),
        "require_hugepages" => json!(shm.require_hugepages),
        "page_size_bytes" => json!(shm.page_size_bytes),
        "permissions_mode" => json!(format!("{:o}", shm.permissions_mode)),
        "allowed_base_dirs" => json!(shm.allowed_base_dirs),
        _ => return None,
    })
}

fn policy_value(settings: &DriverSettings, name: &str) -> Option<Value> {
    let policies = &settings.policies;
    Some(match name {
        "allow_dynamic_streams" => json!(policies.allow_dynamic_streams),
        "default_profile" => json!(policies.default_profile.clone().unwrap_or_default()),
        "announce_period_ms" => json!(policies.announce_period_ms),
        "lease_keepalive_interval_ms" => json!(policies.lease_keepalive_interval_ms),
        "lease_expiry_grace_intervals" => json!(policies.lease_expiry_grace_intervals),
        "prefault_shm" => json!(policies.prefault_shm),
        "mlock_shm" => json!(policies.mlock_shm),
        "reuse_existing_shm" => json!(policies.reuse_existing_shm),
        "cleanup_shm_on_exit" => json!(policies.cleanup_shm_on_exit),
        "epoch_gc_enabled" => json!(policies.epoch_gc_enabled),
        "epoch_gc_keep" => json!(policies.epoch_gc_keep),
        "epoch_gc_min_age_ns" => json!(policies.epoch_gc_min_age_ns),
        "epoch_gc_on_startup" => json!(policies.epoch_gc_on_startup),
        "shutdown_timeout_ms" => json!(policies.shutdown_timeout_ms),
        "shutdown_token" => json!(policies.shutdown_token),
        "node_id_reuse_cooldown_ms" => json!(policies.node_id_reuse_cooldown_ms),
        "allow_non_power_of_two_strides" => json!(policies.allow_non_power_of_two_strides),
        _ => return None,
    })
}

fn supervisor_value(supervisor: &SupervisorSettings, name: &str) -> Option<Value> {
    let (descriptor, control) = (
        &supervisor.per_consumer_descriptor,
        &supervisor.per_consumer_control,
    );
    Some(match name {
        "with_driver" => json!(supervisor.with_driver),
        "control_channel" => json!(supervisor.control.channel),
        "control_stream_id" => json!(supervisor.control.stream_id),
        "announce_channel" => json!(supervisor.announce.channel),
        "announce_stream_id" => json!(supervisor.announce.stream_id),
        "qos_channel" => json!(supervisor.qos.channel),
        "qos_stream_id" => json!(supervisor.qos.stream_id),
        "metadata_channel" => json!(supervisor.metadata.channel),
        "metadata_stream_id" => json!(supervisor.metadata.stream_id),
        "consumer_capacity" => json!(supervisor.consumer_capacity),
        "consumer_stale_ms" => json!(supervisor.consumer_stale_ms),
        "per_consumer_enabled" => json!(supervisor.per_consumer_enabled),
        "per_consumer_descriptor_channel" => json!(descriptor.channel.clone().unwrap_or_default()),
        "per_consumer_descriptor_base" => json!(descriptor.base),
        "per_consumer_descriptor_range" => json!(descriptor.range),
        "per_consumer_control_channel" => json!(control.channel.clone().unwrap_or_default()),
        "per_consumer_control_base" => json!(control.base),
        "per_consumer_control_range" => json!(control.range),
        "force_no_shm" => json!(supervisor.force_no_shm),
        "force_mode" => json!(supervisor.force_mode),
        "payload_fallback_uri" => json!(supervisor.payload_fallback_uri),
        _ => return None,
    })
}
