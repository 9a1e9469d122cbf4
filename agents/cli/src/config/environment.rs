//! Environment variables that override keys of the configuration.
//!
//! A key's variable is the key in upper case with dots replaced by underscores. Profiles and
//! streams have none.

/// Keys that can be overridden, from the environment and by flags.
pub(super) const OVERRIDABLE_KEYS: &[&str] = &[
    "driver.instance_id",
    "driver.aeron_dir",
    "driver.control_channel",
    "driver.control_stream_id",
    "driver.announce_channel",
    "driver.announce_stream_id",
    "driver.qos_channel",
    "driver.qos_stream_id",
    "driver.stream_id_range",
    "driver.descriptor_stream_id_range",
    "driver.control_stream_id_range",
    "shm.base_dir",
    "shm.namespace",
    "shm.require_hugepages",
    "shm.page_size_bytes",
    "shm.permissions_mode",
    "policies.allow_dynamic_streams",
    "policies.default_profile",
    "policies.announce_period_ms",
    "policies.lease_keepalive_interval_ms",
    "policies.lease_expiry_grace_intervals",
    "policies.prefault_shm",
    "policies.mlock_shm",
    "policies.reuse_existing_shm",
    "policies.cleanup_shm_on_exit",
    "policies.epoch_gc_enabled",
    "policies.epoch_gc_keep",
    "policies.epoch_gc_min_age_ns",
    "policies.epoch_gc_on_startup",
    "policies.shutdown_timeout_ms",
    "policies.shutdown_token",
    "policies.node_id_reuse_cooldown_ms",
    "policies.allow_non_power_of_two_strides",
    "supervisor.with_driver",
    "supervisor.control_channel",
    "supervisor.control_stream_id",
    "supervisor.announce_channel",
    "supervisor.announce_stream_id",
    "supervisor.qos_channel",
    "supervisor.qos_stream_id",
    "supervisor.metadata_channel",
    "supervisor.metadata_stream_id",
    "supervisor.consumer_capacity",
    "supervisor.consumer_stale_ms",
    "supervisor.per_consumer_enabled",
    "supervisor.per_consumer_descriptor_channel",
    "supervisor.per_consumer_descriptor_base",
    "supervisor.per_consumer_descriptor_range",
    "supervisor.per_consumer_control_channel",
    "supervisor.per_consumer_control_base",
    "supervisor.per_consumer_control_range",
    "supervisor.force_no_shm",
    "supervisor.force_mode",
    "supervisor.payload_fallback_uri",
];

/// Other names of variables; they lose against the canonical one.
const ALIASES: &[(&str, &str)] = &[
    ("AERON_DIR", "driver.aeron_dir"),
    ("TP_CONTROL_CHANNEL", "driver.control_channel"),
    ("TP_CONTROL_STREAM_ID", "driver.control_stream_id"),
];

const PREFIXES: &[&str] = &["DRIVER_", "SHM_", "POLICIES_", "SUPERVISOR_"];

/// One key that is set from outside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key, with dots.
    pub key: &'static str,
    /// Who set it: an environment variable or a flag, as the user wrote it.
    pub origin: String,
    /// The text it was set to.
    pub value: String,
}

/// The environment of a process, or of a test.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// No variables at all, for `--no-env`.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables of this process; those that are not UTF-8 are none of ours.
    #[must_use]
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(utf8).collect(),
        }
    }

    /// Exactly these variables.
    #[must_use]
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            variables: pairs.iter().map(owned).collect(),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The overrides found, at most one for each key.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let mut found = Vec::new();
        for &key in OVERRIDABLE_KEYS {
            let canonical = variable_of(key);
            let aliases = ALIASES
                .iter()
                .filter(|alias| alias.1 == key)
                .map(|alias| alias.0);
            let names = std::iter::once(canonical.as_str()).chain(aliases);
            let first = names
                .filter_map(|name| Some((name, self.get(name)?)))
                .next();
            if let Some((name, value)) = first {
                let (origin, value) = (name.to_owned(), value.to_owned());
                found.push(Override { key, origin, value });
            }
        }
        found
    }

    /// Variables that look like overrides of ours with a slip of the pen: name and the nearest real
    /// one.
    pub(super) fn near_misses(&self) -> Vec<(&str, String)> {
        let is_ours = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let known: Vec<String> = OVERRIDABLE_KEYS
            .iter()
            .map(|key| variable_of(key))
            .collect();
        let names = self.variables.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| is_ours(name) && !known.iter().any(|known| known == name))
            .filter_map(|name| {
                let nearest = nearest(name, known.iter().map(String::as_str))?;
                Some((name, nearest.to_owned()))
            })
            .collect()
    }
}

/// The environment variable of a key. [TP-DRV-2860]
pub(super) fn variable_of(key: &str) -> String {
    key.to_ascii_uppercase().replace('.', "_")
}

/// The candidate a misspelt name most likely stands for.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (name.len() / 4).clamp(1, 3);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}
