//! `[supervisor]`: what it says, what holds when it says nothing, and what must go together.

use std::ops::RangeInclusive;

use tensorpool::supervisor::FallbackUri;
use tensorpool::transport::Channel;

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::range::IdRange;
use super::settings::{DEFAULT_CHANNEL, DriverSettings, Endpoint};
use super::values::Given;

/// Aeron stream of the shared descriptors, which is configured nowhere.
const SHARED_DESCRIPTORS: (i32, &str) = (1100, "descriptor");

/// One kind of streams for single consumers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerConsumerSettings {
    /// Their channel; none means the one a consumer asks for.
    pub channel: Option<String>,
    /// The first id; 0 means those of `[driver]`.
    pub base: u32,
    /// How many ids there are.
    pub range: u32,
}

impl PerConsumerSettings {
    /// The ids this says, unless it says none.
    #[must_use]
    pub fn ids(&self) -> Option<IdRange> {
        let last = self.base.checked_add(self.range.checked_sub(1)?)?;
        IdRange::new(self.base, last)
    }
}

/// Everything that can be configured about a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorSettings {
    /// Whether a driver brings this supervisor: unless configured, when the file has the table.
    pub with_driver: bool,
    /// Hellos and answers; `[driver]`'s unless configured.
    pub control: Endpoint,
    /// Announces; `[driver]`'s unless configured.
    pub announce: Endpoint,
    /// Reports; `[driver]`'s unless configured.
    pub qos: Endpoint,
    /// What streams are called.
    pub metadata: Endpoint,
    /// The most consumers that are followed.
    pub consumer_capacity: u32,
    /// Silence after which a consumer is gone.
    pub consumer_stale_ms: u32,
    /// Whether consumers get streams of their own; unless configured, when `[driver]` has ids for
    /// them.
    pub per_consumer_enabled: Option<bool>,
    /// Descriptor streams of single consumers.
    pub per_consumer_descriptor: PerConsumerSettings,
    /// Control streams of single consumers.
    pub per_consumer_control: PerConsumerSettings,
    /// Tell everybody not to use shared memory.
    pub force_no_shm: bool,
    /// The mode of everybody: 1 STREAM, 2 RATE_LIMITED; 0 leaves it to them.
    pub force_mode: u32,
    /// Where payloads come from without shared memory; empty for nowhere.
    pub payload_fallback_uri: String,
}

impl Default for SupervisorSettings {
    fn default() -> Self {
        let endpoint = |stream_id| Endpoint {
            channel: DEFAULT_CHANNEL.to_owned(),
            stream_id,
        };
        Self {
            with_driver: false,
            control: endpoint(1000),
            announce: endpoint(1001),
            qos: endpoint(1200),
            metadata: endpoint(1300),
            consumer_capacity: 256,
            consumer_stale_ms: 5000,
            per_consumer_enabled: None,
            per_consumer_descriptor: PerConsumerSettings::default(),
            per_consumer_control: PerConsumerSettings::default(),
            force_no_shm: false,
            force_mode: 0,
            payload_fallback_uri: String::new(),
        }
    }
}

impl DriverSettings {
    /// The ids of descriptor and control streams for single consumers that a driver gives out by
    /// itself: those of `[driver]`; none when they are turned off.
    #[must_use]
    pub fn driver_per_consumer_ids(&self) -> [Vec<IdRange>; 2] {
        if self.supervisor.per_consumer_enabled == Some(false) {
            return [Vec::new(), Vec::new()];
        }
        self.driver_ranges().map(Clone::clone)
    }

    fn driver_ranges(&self) -> [&Vec<IdRange>; 2] {
        [
            &self.driver.descriptor_stream_id_ranges,
            &self.driver.control_stream_id_ranges,
        ]
    }

    /// The ids of descriptor and control streams for single consumers that a supervisor gives out,
    /// of both tables; none when they are turned off. [TP-DRV-2820]
    #[must_use]
    pub fn per_consumer_ids(&self) -> [Vec<IdRange>; 2] {
        let supervisor = &self.supervisor;
        let ranges = self.driver_ranges();
        let has_ranges = ranges.iter().any(|ranges| !ranges.is_empty());
        if !supervisor.per_consumer_enabled.unwrap_or(has_ranges) {
            return [Vec::new(), Vec::new()];
        }
        let own = [
            &supervisor.per_consumer_descriptor,
            &supervisor.per_consumer_control,
        ];
        std::array::from_fn(|kind| {
            own[kind]
                .ids()
                .map_or_else(|| ranges[kind].clone(), |one| vec![one])
        })
    }
}

/// Reads `[supervisor]`; `[driver]` was read before.
pub(super) fn read_supervisor(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let driver = &settings.driver;
    let supervisor = &mut settings.supervisor;
    // [TP-DRV-2810] [TP-DRV-2817]
    supervisor.with_driver = document.table("supervisor").is_some();
    let key = "supervisor.with_driver";
    document.read(key, &mut supervisor.with_driver, |given| given.boolean(key));
    supervisor.control.clone_from(&driver.control);
    supervisor.announce.clone_from(&driver.announce);
    supervisor.qos.clone_from(&driver.qos);
    for (name, endpoint) in [
        ("control", &mut supervisor.control),
        ("announce", &mut supervisor.announce),
        ("qos", &mut supervisor.qos),
        ("metadata", &mut supervisor.metadata),
    ] {
        let key = format!("supervisor.{name}_channel");
        document.read(&key, &mut endpoint.channel, |given| channel(given, &key));
        let key = format!("supervisor.{name}_stream_id");
        document.read(&key, &mut endpoint.stream_id, |given| {
            let id = given.integer_u32(&key, 1..=i32::MAX as u32, "an Aeron stream id")?;
            Ok(id as i32)
        });
    }
    for (name, own) in [
        ("descriptor", &mut supervisor.per_consumer_descriptor),
        ("control", &mut supervisor.per_consumer_control),
    ] {
        let key = format!("supervisor.per_consumer_{name}_channel");
        document.read(&key, &mut own.channel, |given| match given.text(&key)? {
            "" => Ok(None),
            _ => channel(given, &key).map(Some),
        });
        for (part, value) in [("base", &mut own.base), ("range", &mut own.range)] {
            let (key, what) = (
                format!("supervisor.per_consumer_{name}_{part}"),
                if part == "base" {
                    "an Aeron stream id"
                } else {
                    "a number of ids"
                },
            );
            document.read(&key, value, |given| {
                given.integer_u32(&key, 0..=i32::MAX as u32, what)
            });
        }
    }
    let key = "supervisor.per_consumer_enabled";
    document.read(key, &mut supervisor.per_consumer_enabled, |given| {
        given.boolean(key).map(Some)
    });
    let key = "supervisor.force_no_shm";
    document.read(key, &mut supervisor.force_no_shm, |given| {
        given.boolean(key)
    });
    let key = "supervisor.payload_fallback_uri";
    document.read(key, &mut supervisor.payload_fallback_uri, |given| {
        fallback(given, key)
    });
    let numbers: [(&str, &mut u32, RangeInclusive<u32>, &str); 3] = [
        (
            "supervisor.consumer_capacity",
            &mut supervisor.consumer_capacity,
            1..=65_536,
            "a number of consumers",
        ),
        (
            "supervisor.consumer_stale_ms",
            &mut supervisor.consumer_stale_ms,
            100..=3_600_000,
            "milliseconds",
        ),
        (
            "supervisor.force_mode",
            &mut supervisor.force_mode,
            0..=2,
            "a mode (0 for their own, 1 STREAM, 2 RATE_LIMITED)",
        ),
    ];
    for (key, value, allowed, what) in numbers {
        // [TP-DRV-2840]
        document.read(key, value, |given| given.integer_u32(key, allowed, what));
    }
}

fn channel(given: Given<'_>, key: &str) -> Result<String, Diagnostic> {
    let text = given.text(key)?;
    if text.parse::<Channel>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(given.wrong(key, "an Aeron channel such as \"aeron:ipc?term-length=4m\""))
}

fn fallback(given: Given<'_>, key: &str) -> Result<String, Diagnostic> {
    let text = given.text(key)?;
    let is_channel = !text.starts_with("aeron:") || text.parse::<Channel>().is_ok();
    if text.is_empty() || (is_channel && FallbackUri::new(text).is_ok()) {
        return Ok(text.to_owned());
    }
    let expected = "an Aeron channel such as \"aeron:udp?endpoint=host:40123\", or \"bridge://\" and \
                    a name";
    Err(given.wrong(key, expected))
}

/// Notes what of `[supervisor]` does not go together, or with the rest.
pub(super) fn check_supervisor(document: &mut Document<'_>, settings: &DriverSettings) {
    let supervisor = &settings.supervisor;
    let kinds = [
        ("descriptor", &supervisor.per_consumer_descriptor),
        ("control", &supervisor.per_consumer_control),
    ];
    for (name, own) in kinds {
        check_kind(document, settings, name, own);
    }
    let key = "supervisor.per_consumer_enabled";
    let ids = settings.per_consumer_ids();
    let [descriptors, controls] = &ids;
    let is_enabled = supervisor.per_consumer_enabled == Some(true);
    if is_enabled && descriptors.is_empty() && controls.is_empty() {
        let error = Diagnostic::error(
            "consumers are to get streams of their own, and there are no ids",
        )
        .help("set supervisor.per_consumer_descriptor_base and _range, for example 31000 and 1000");
        report(document, key, error, "needs ids");
    }
    let has_own_ids = kinds.iter().any(|(_, own)| own.base != 0);
    if has_own_ids && supervisor.per_consumer_enabled.is_none() && descriptors.is_empty() {
        let warning = Diagnostic::warning("consumers get no streams of their own")
            .help("set supervisor.per_consumer_enabled = true");
        let key = "supervisor.per_consumer_descriptor_base";
        report(
            document,
            key,
            warning,
            "has no effect without per_consumer_enabled",
        );
    }
    let overlap = controls.iter().find_map(|range| {
        let other = descriptors.iter().find(|other| range.overlaps(**other))?;
        Some(format!("{range} overlaps {other}"))
    });
    // The ranges of [driver] are looked at by themselves.
    if let Some(label) = overlap.filter(|_| has_own_ids) {
        let error =
            Diagnostic::error("descriptor and control streams of consumers have ids in common");
        let own_kinds = kinds.iter().rev().filter(|(_, own)| own.base != 0);
        for (name, _) in own_kinds.take(1) {
            let key = format!("supervisor.per_consumer_{name}_base");
            report(document, &key, error.clone(), &label);
        }
    }
}

fn check_kind(
    document: &mut Document<'_>,
    settings: &DriverSettings,
    name: &str,
    own: &PerConsumerSettings,
) {
    let base = format!("supervisor.per_consumer_{name}_base");
    // [TP-DRV-2830]
    let Some(range) = own.ids() else {
        if own.base != 0 {
            let error = Diagnostic::error(format!("`{base}` without a number of ids")).help(
                format!("set supervisor.per_consumer_{name}_range, for example to 1000"),
            );
            let label = format!("needs per_consumer_{name}_range");
            report(document, &base, error, &label);
        }
        return;
    };
    if range.last > i32::MAX as u32 {
        let error = Diagnostic::error(format!("the ids from `{base}` exceed Aeron's stream ids"));
        report(
            document,
            &base,
            error,
            "the last id Aeron has is 2147483647",
        );
    }
    // [TP-DRV-2850]
    let supervisor = &settings.supervisor;
    let fixed = [
        (supervisor.control.stream_id, "control"),
        (supervisor.announce.stream_id, "announce"),
        (supervisor.qos.stream_id, "qos"),
        (supervisor.metadata.stream_id, "metadata"),
        SHARED_DESCRIPTORS,
    ];
    let taken = fixed
        .iter()
        .find(|(id, _)| range.contains(id.unsigned_abs()));
    if let Some((id, what)) = taken {
        let error = Diagnostic::error(format!("the ids from `{base}` contain the {what} stream"));
        report(document, &base, error, &format!("{range} contains {id}"));
    }
    let taken = settings
        .streams
        .iter()
        .find(|(_, stream)| range.contains(stream.stream_id));
    if let Some((stream_name, stream)) = taken {
        let title = format!("the ids from `{base}` contain that of `streams.{stream_name}`");
        let label = format!("{range} contains {}", stream.stream_id);
        report(document, &base, Diagnostic::error(title), &label);
    }
    let dynamic = settings.driver.stream_id_ranges.iter();
    if let Some(other) = dynamic.into_iter().find(|other| range.overlaps(**other)) {
        let title = format!("the ids from `{base}` and `driver.stream_id_range` overlap");
        let label = format!("{range} overlaps {other}");
        report(document, &base, Diagnostic::error(title), &label);
    }
}

fn report(document: &mut Document<'_>, key: &str, diagnostic: Diagnostic, label: &str) {
    let diagnostic = match document.given(key) {
        Some(given) => given.about(diagnostic, label),
        None => diagnostic,
    };
    document.diagnostics.push(diagnostic);
}
