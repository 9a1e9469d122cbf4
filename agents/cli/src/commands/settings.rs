//! From flags, environment and file to what drivers and clients are configured with.

use anyhow::{Context, anyhow};
use serde_json::json;
use std::path::Path;

use tensorpool::client::{ClientConfig, OwnRegions};
use tensorpool::codecs::types::StreamId;
use tensorpool::driver::DriverConfig;
use tensorpool::protocol::common::PublishMode;
use tensorpool::protocol::driver::StreamIdRange;
use tensorpool::transport::Channel;

use crate::args::{AeronArgs, StreamArgs};
use crate::config::{
    self, ConfigError, ConfigRequest, DriverSettings, Environment, LoadedConfig, Override,
    ProfileSettings, Severity, ShmSettings,
};
use crate::report::Reporter;

/// Loads the configuration; warnings and overrides are told beside what the command says.
///
/// # Errors
/// Every mistake in it, with file, line and caret.
pub(super) fn load(args: &AeronArgs, report: &Reporter) -> anyhow::Result<DriverSettings> {
    let coloured = report.is_coloured();
    let loaded = try_load(args, None).map_err(|e| anyhow!("{}", e.render(coloured)))?;
    for diagnostic in &loaded.diagnostics {
        let name = match diagnostic.severity {
            Severity::Notice => "note",
            Severity::Error | Severity::Warning => "warning",
        };
        let text = diagnostic.render(&loaded.path, &loaded.source_text, coloured);
        let fields = json!({ "message": diagnostic.title, "help": diagnostic.help });
        report.aside(name, &text, fields);
    }
    for set in &loaded.overrides {
        // The flag was typed a moment ago, and the directory is shown anyway.
        if set.key != "driver.aeron_dir" {
            let text = describe(set);
            let message = text.strip_prefix("note: ").unwrap_or(&text);
            report.aside("note", &text, json!({ "message": message }));
        }
    }
    Ok(loaded.settings)
}

/// What is to be said about a key that was set from outside the file.
pub(super) fn describe(set: &Override) -> String {
    let value = if config::is_secret(set.key) {
        "(not shown)"
    } else {
        &set.value
    };
    format!("note: {} = {value} ({})", set.key, set.origin)
}

/// Loads the configuration of `file`, or else of the flags, and says nothing.
///
/// # Errors
/// Every mistake in it, with file, line and caret.
pub(super) fn try_load(args: &AeronArgs, file: Option<&Path>) -> Result<LoadedConfig, ConfigError> {
    let environment = if args.no_env {
        Environment::empty()
    } else {
        Environment::of_process()
    };
    let flags: Vec<_> = args
        .aeron_dir
        .iter()
        .map(|dir| ("driver.aeron_dir", "--aeron-dir", dir.display().to_string()))
        .collect();
    let request = ConfigRequest {
        path: file.or(args.config.as_deref()),
        environment,
        flags: &flags,
    };
    config::load(&request)
}

/// What the driver is started with.
///
/// # Errors
/// When a channel or a pool cannot be used.
pub(super) fn driver_config(settings: &DriverSettings) -> anyhow::Result<DriverConfig> {
    let policies = &settings.policies;
    let mut config = DriverConfig {
        instance_id: settings.driver.instance_id.clone(),
        control: driver_endpoint(&settings.driver.control)?,
        announce: driver_endpoint(&settings.driver.announce)?,
        base_dir: settings.shm.base_dir.clone(),
        namespace: settings.shm.namespace.clone(),
        permissions_mode: settings.shm.permissions_mode,
        require_hugepages: settings.shm.require_hugepages,
        prefault: policies.prefault_shm,
        mlock: policies.mlock_shm,
        cleanup_on_exit: policies.cleanup_shm_on_exit,
        allow_any_stride: policies.allow_non_power_of_two_strides,
        announce_period_ns: millis_to_ns(policies.announce_period_ms),
        keepalive_interval_ns: millis_to_ns(policies.lease_keepalive_interval_ms),
        expiry_grace_intervals: policies.lease_expiry_grace_intervals,
        node_id_cooldown_ns: millis_to_ns(policies.node_id_reuse_cooldown_ms),
        kept_epochs: policies.epoch_gc_keep,
        epoch_min_age_ns: policies.epoch_gc_min_age_ns,
        gc_enabled: policies.epoch_gc_enabled,
        remove_leftovers: policies.epoch_gc_enabled
            && policies.epoch_gc_on_startup
            && !policies.reuse_existing_shm,
        page_size_bytes: (settings.shm.page_size_bytes != ShmSettings::default().page_size_bytes)
            .then_some(settings.shm.page_size_bytes),
        shutdown_timeout_ns: millis_to_ns(policies.shutdown_timeout_ms),
        shutdown_token: policies.shutdown_token.clone(),
        ..DriverConfig::default()
    };
    if let Some(dir) = &settings.driver.aeron_dir {
        config.aeron_dir.clone_from(dir);
    }
    for (name, stream) in &settings.streams {
        let profile =
            profile(settings, &stream.profile).with_context(|| format!("stream {name}"))?;
        config
            .add_stream(
                StreamId::new(stream.stream_id),
                profile.header_nslots,
                &pools_of(profile),
            )
            .with_context(|| format!("stream {name} with profile {}", stream.profile))?;
    }
    if policies.allow_dynamic_streams {
        let name = policies.default_profile.as_deref().unwrap_or_default();
        let profile = profile(settings, name).context("policies.default_profile")?;
        let ranges = settings.driver.stream_id_ranges.iter();
        let ranges = ranges.map(|range| StreamIdRange {
            first: StreamId::new(range.first),
            last: StreamId::new(range.last),
        });
        config
            .allow_dynamic_streams(ranges.collect(), profile.header_nslots, &pools_of(profile))
            .with_context(|| format!("dynamic streams with profile {name}"))?;
    }
    Ok(config)
}

fn profile<'a>(settings: &'a DriverSettings, name: &str) -> anyhow::Result<&'a ProfileSettings> {
    let profile = settings.profiles.get(name);
    profile.with_context(|| format!("there is no profile {name:?}"))
}

fn pools_of(profile: &ProfileSettings) -> Vec<(u16, u32)> {
    let pools = profile.payload_pools.iter();
    pools
        .map(|pool| (pool.pool_id, pool.stride_bytes))
        .collect()
}

/// A number of slots, and pools by id and stride.
pub(super) type Layout = (u32, Vec<(u16, u32)>);

/// Slots and pools of a configured stream.
///
/// # Errors
/// When its profile is missing.
pub(super) fn layout(settings: &DriverSettings, stream_id: u32) -> anyhow::Result<Option<Layout>> {
    let mut streams = settings.streams.values();
    let Some(stream) = streams.find(|stream| stream.stream_id == stream_id) else {
        return Ok(None);
    };
    let profile = profile(settings, &stream.profile)?;
    Ok(Some((profile.header_nslots, pools_of(profile))))
}

/// Where and how a producer without a driver makes its memory.
pub(super) fn apply(settings: &DriverSettings, regions: &mut OwnRegions) {
    let (shm, policies) = (&settings.shm, &settings.policies);
    regions.base_dir.clone_from(&shm.base_dir);
    regions.namespace.clone_from(&shm.namespace);
    regions.permissions_mode = shm.permissions_mode;
    regions.require_hugepages = shm.require_hugepages;
    regions.prefault = policies.prefault_shm;
    regions.mlock = policies.mlock_shm;
    regions.cleanup_on_exit = policies.cleanup_shm_on_exit;
    regions.allow_any_stride = policies.allow_non_power_of_two_strides;
}

/// Keys that are set and that this driver does not act upon, with what it does instead.
pub(super) fn without_effect(settings: &DriverSettings) -> Vec<String> {
    let policies = &settings.policies;
    let driver = &settings.driver;
    let keys = [
        (
            !policies.allow_dynamic_streams && !driver.stream_id_ranges.is_empty(),
            "driver.stream_id_range: only configured streams are served, as \
             policies.allow_dynamic_streams is not set",
        ),
        (
            policies.mlock_shm && !policies.prefault_shm,
            "policies.prefault_shm = false: locked memory is brought in in any case",
        ),
    ];
    keys.iter()
        .filter(|(set, _)| *set)
        .map(|(_, text)| (*text).to_owned())
        .collect()
}

/// How a client asks for its stream.
pub(super) fn publish_mode(stream: &StreamArgs) -> PublishMode {
    if stream.create {
        PublishMode::ExistingOrCreate
    } else {
        PublishMode::RequireExisting
    }
}

/// What a client is started with.
///
/// # Errors
/// When a channel cannot be used.
pub(super) fn client_config(
    settings: &DriverSettings,
    stream: &StreamArgs,
    name: &str,
) -> anyhow::Result<ClientConfig> {
    let policies = &settings.policies;
    let mut config = ClientConfig {
        name: name.to_owned(),
        allowed_base_dirs: settings.shm.allowed_base_dirs.clone(),
        keepalive_interval: std::time::Duration::from_millis(u64::from(
            policies.lease_keepalive_interval_ms,
        )),
        lease_grace_intervals: policies.lease_expiry_grace_intervals,
        announce_period: std::time::Duration::from_millis(u64::from(policies.announce_period_ms)),
        attach_timeout: stream.attach_timeout,
        ..ClientConfig::default()
    };
    if let Some(dir) = &settings.driver.aeron_dir {
        config.aeron_dir.clone_from(dir);
    }
    // Publications of a client are small unless its user asked for another channel than the usual one.
    for (own, wanted) in [
        (&mut config.control, &settings.driver.control),
        (&mut config.announce, &settings.driver.announce),
        (&mut config.qos, &settings.driver.qos),
    ] {
        own.stream_id = wanted.stream_id;
        if wanted.channel != config::DEFAULT_CHANNEL {
            own.channel = channel(&wanted.channel)?;
        }
    }
    Ok(config)
}

pub(super) fn driver_endpoint(
    endpoint: &config::Endpoint,
) -> anyhow::Result<tensorpool::driver::Endpoint> {
    Ok(tensorpool::driver::Endpoint {
        channel: channel(&endpoint.channel)?,
        stream_id: endpoint.stream_id,
    })
}

fn channel(text: &str) -> anyhow::Result<Channel> {
    text.parse().with_context(|| format!("channel {text}"))
}

pub(super) fn millis_to_ns(millis: u32) -> u64 {
    u64::from(millis) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_effect_are_named_when_they_are_set() {
        let mut settings = DriverSettings::small();
        assert_eq!(without_effect(&settings), [""; 0]);
        let range = config::IdRange::new(20_000, 20_999).expect("a range");
        settings.driver.stream_id_ranges = vec![range];
        let named = without_effect(&settings).join("\n");
        assert!(named.contains("driver.stream_id_range"), "{named}");
        settings.policies.allow_dynamic_streams = true;
        assert_eq!(without_effect(&settings), [""; 0]);
    }

    #[test]
    fn policies_reach_the_driver() {
        let mut settings = DriverSettings::small();
        settings.policies.allow_dynamic_streams = true;
        settings.policies.epoch_gc_min_age_ns = 7;
        settings.shm.page_size_bytes = 2 << 20;
        let range = config::IdRange::new(20_000, 20_999).expect("a range");
        settings.driver.stream_id_ranges = vec![range];
        let config = driver_config(&settings).expect("valid");
        let dynamic = config.dynamic.expect("allowed");
        assert_eq!(dynamic.ranges[0].to_string(), "20000-20999");
        assert_eq!(dynamic.geometry, config.streams[0].geometry);
        assert_eq!(config.epoch_min_age_ns, 7);
        assert_eq!(config.page_size_bytes, Some(2 << 20));
    }

    #[test]
    fn leftovers_stay_whichever_way_that_is_asked_for() {
        let removes = |change: fn(&mut config::PolicySettings)| {
            let mut settings = DriverSettings::small();
            change(&mut settings.policies);
            driver_config(&settings).expect("valid").remove_leftovers
        };
        assert!(removes(|_| {}));
        assert!(!removes(|policies| policies.epoch_gc_on_startup = false));
        assert!(!removes(|policies| policies.epoch_gc_enabled = false));
        assert!(!removes(|policies| policies.reuse_existing_shm = true));
    }

    #[test]
    fn without_a_configuration_the_driver_is_the_library_s_small_one() {
        let settings = DriverSettings::small();
        assert_eq!(
            driver_config(&settings).expect("valid"),
            DriverConfig::small()
        );
    }
}
