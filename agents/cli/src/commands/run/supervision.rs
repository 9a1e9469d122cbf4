//! From settings to a supervisor: whether a process runs one, and what it is started with.

use anyhow::Context;
use tensorpool::codecs::wire::Mode;
use tensorpool::supervisor::{
    Answering, CoreConfig, FallbackUri, OwnStreams, Policy, SupervisorConfig,
};

use crate::args::Role;
use crate::config::{DriverSettings, IdRange, PerConsumerSettings};

use super::settings;

/// Whose hellos the supervisor that comes with a driver answers; `None` when none comes.
///
/// A table `[supervisor]` brings a whole one, ids of `[driver]` for streams of single consumers one
/// that gives out these. [TP-DRV-2810]
pub(super) fn beside_a_driver(settings: &DriverSettings, roles: &[Role]) -> Option<Answering> {
    if !roles.contains(&Role::Driver) || roles.contains(&Role::Supervisor) {
        return None;
    }
    // [TP-DRV-2817]
    if settings.supervisor.with_driver {
        return Some(Answering::EveryHello);
    }
    // [TP-DRV-2817]
    let ids = settings.driver_per_consumer_ids();
    ids.iter()
        .any(|ids| !ids.is_empty())
        .then_some(Answering::StreamRequests)
}

/// What a supervisor is started with.
///
/// # Errors
/// When a channel or URI cannot be used.
pub(super) fn config(
    settings: &DriverSettings,
    answering: Answering,
) -> anyhow::Result<SupervisorConfig> {
    let from = &settings.supervisor;
    let [descriptor_ids, control_ids] = match answering {
        Answering::EveryHello => settings.per_consumer_ids(),
        // The table is of a supervisor elsewhere, if there is one.
        Answering::StreamRequests => settings.driver_per_consumer_ids(),
    };
    let policy = Policy {
        force_no_shm: from.force_no_shm,
        force_mode: u8::try_from(from.force_mode).ok().and_then(Mode::from_wire),
        payload_fallback_uri: match from.payload_fallback_uri.as_str() {
            "" => None,
            uri => Some(FallbackUri::new(uri).context("supervisor.payload_fallback_uri")?),
        },
    };
    let mut config = SupervisorConfig {
        instance_id: settings.driver.instance_id.clone(),
        control: settings::driver_endpoint(&from.control)?,
        announce: settings::driver_endpoint(&from.announce)?,
        qos: settings::driver_endpoint(&from.qos)?,
        metadata: settings::driver_endpoint(&from.metadata)?,
        core: CoreConfig {
            answering,
            policy,
            descriptor: own_streams(&from.per_consumer_descriptor, &descriptor_ids),
            control: own_streams(&from.per_consumer_control, &control_ids),
            consumer_capacity: usize::try_from(from.consumer_capacity)?,
            consumer_stale_ns: settings::millis_to_ns(from.consumer_stale_ms),
            ..CoreConfig::default()
        },
        ..SupervisorConfig::default()
    };
    if let Some(dir) = &settings.driver.aeron_dir {
        config.aeron_dir.clone_from(dir);
    }
    Ok(config)
}

fn own_streams(from: &PerConsumerSettings, ids: &[IdRange]) -> OwnStreams {
    OwnStreams {
        ids: ids.iter().map(|range| range.first..=range.last).collect(),
        channel: from.channel.as_deref().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, parse};

    use super::*;

    fn settings(text: &str) -> DriverSettings {
        let loaded = parse("t.toml", text.to_owned(), &Environment::empty(), &[]);
        loaded.expect("a good configuration").settings
    }

    /// Proves [TP-DRV-2810].
    #[test]
    fn a_supervisor_comes_with_a_driver_that_has_its_table_or_ids_to_give_out() {
        let driver = &[Role::MediaDriver, Role::Driver];
        let table = settings("[supervisor]\n");
        let ids = settings("[driver]\ncontrol_stream_id_range = \"32000-32009\"\n");
        let nothing = settings("");
        assert_eq!(beside_a_driver(&table, driver), Some(Answering::EveryHello));
        assert_eq!(
            beside_a_driver(&ids, driver),
            Some(Answering::StreamRequests)
        );
        assert_eq!(beside_a_driver(&nothing, driver), None);
        let both = &[Role::Driver, Role::Supervisor];
        assert_eq!(beside_a_driver(&table, both), None, "it is there already");
        assert_eq!(beside_a_driver(&table, &[Role::MediaDriver]), None);
    }

    /// Proves [TP-DRV-2817].
    #[test]
    fn a_table_that_is_for_a_supervisor_elsewhere_brings_none() {
        let elsewhere = settings("[supervisor]\nwith_driver = false\nconsumer_capacity = 9\n");
        assert_eq!(beside_a_driver(&elsewhere, &[Role::Driver]), None);
        let there = config(&elsewhere, Answering::EveryHello).expect("valid");
        assert_eq!(there.core.consumer_capacity, 9, "it holds for that one");
        let ids = "[supervisor]\nwith_driver = false\nper_consumer_enabled = true\n\
                   per_consumer_descriptor_base = 31000\nper_consumer_descriptor_range = 10\n";
        let with_ids = settings(ids);
        assert_eq!(beside_a_driver(&with_ids, &[Role::Driver]), None);
        let there = config(&with_ids, Answering::EveryHello).expect("valid");
        assert_eq!(there.core.descriptor.ids, [31_000..=31_009]);
        // What a driver has by itself it gives out, and nothing of what is that supervisor's.
        let own = settings(&format!(
            "[driver]\ncontrol_stream_id_range = \"32000-32009\"\n{ids}"
        ));
        let answering = beside_a_driver(&own, &[Role::Driver]).expect("ids of its own");
        let here = config(&own, answering).expect("valid").core;
        assert_eq!(here.control.ids, [32_000..=32_009]);
        assert!(here.descriptor.ids.is_empty());
    }

    /// Proves [TP-DRV-2820].
    #[test]
    fn what_the_table_does_not_say_is_as_the_driver_has_it() {
        let settings = settings(
            "[driver]\ninstance_id = \"rig\"\naeron_dir = \"/tmp/a\"\n\
             control_channel = \"aeron:ipc?term-length=64k\"\ncontrol_stream_id = 2000\n\
             announce_stream_id = 2001\nqos_stream_id = 2002\n\
             descriptor_stream_id_range = [\"31000-31009\", \"31100-31109\"]\n\
             control_stream_id_range = \"32000-32009\"\n\
             [supervisor]\nqos_stream_id = 2200\nper_consumer_control_base = 33000\n\
             per_consumer_control_range = 5\nper_consumer_control_channel = \"aeron:ipc\"\n",
        );
        let config = config(&settings, Answering::EveryHello).expect("valid");
        assert_eq!(
            (config.instance_id.as_str(), config.aeron_dir.to_str()),
            ("rig", Some("/tmp/a"))
        );
        assert_eq!(
            config.control.channel.to_string(),
            "aeron:ipc?term-length=64k"
        );
        let streams = [
            &config.control,
            &config.announce,
            &config.qos,
            &config.metadata,
        ];
        assert_eq!(streams.map(|one| one.stream_id), [2000, 2001, 2200, 1300]);
        assert_eq!(
            config.core.descriptor.ids,
            [31_000..=31_009, 31_100..=31_109]
        );
        assert_eq!(config.core.descriptor.channel, None);
        assert_eq!(config.core.control.ids, [33_000..=33_004]);
        assert_eq!(config.core.control.channel.as_deref(), Some("aeron:ipc"));
    }

    #[test]
    fn the_policy_of_the_table_is_that_of_the_supervisor() {
        let settings = settings(
            "[supervisor]\nforce_no_shm = true\nforce_mode = 2\nconsumer_capacity = 9\n\
             consumer_stale_ms = 700\npayload_fallback_uri = \"bridge://lab\"\n",
        );
        let core = config(&settings, Answering::EveryHello)
            .expect("valid")
            .core;
        assert!(core.policy.force_no_shm);
        assert_eq!(core.policy.force_mode, Some(Mode::RateLimited));
        let uri = core.policy.payload_fallback_uri.expect("a fallback");
        assert_eq!(uri.as_str(), "bridge://lab");
        assert_eq!(
            (core.consumer_capacity, core.consumer_stale_ns),
            (9, 700_000_000)
        );
        assert!(core.descriptor.ids.is_empty() && core.control.ids.is_empty());
    }

    #[test]
    fn without_a_table_the_supervisor_is_the_library_s_own() {
        let ours = config(&DriverSettings::small(), Answering::EveryHello).expect("valid");
        let library = SupervisorConfig {
            instance_id: ours.instance_id.clone(),
            ..SupervisorConfig::default()
        };
        assert_eq!(ours, library);
    }
}
