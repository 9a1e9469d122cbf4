//! The role `supervisor`: follows producers and consumers, and tells consumers how they get their
//! frames.

use std::time::Duration;

use crossbeam_channel::Receiver;
use serde_json::{Value, json};
use tensorpool::runtime::{Agent, AgentError};
use tensorpool::supervisor::{
    Answering, ConsumerConfig, ConsumerKey, Declined, LostReason, SupervisorAgent,
    SupervisorConfig, SupervisorEvent, SupervisorHandle, SupervisorNotice, SupervisorSetup,
};

use crate::config::DriverSettings;
use crate::report::Reporter;

use super::AgentFactory;
use super::{supervision, table};

/// How long the supervisor may take to say what it knows.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);

/// What the main thread keeps of a supervisor.
pub(super) struct SupervisorRole {
    notices: Receiver<SupervisorNotice>,
    handle: SupervisorHandle,
    about: Value,
    ready_text: String,
    /// Gives out streams beside a driver and does nothing else: who comes and goes is the driver's
    /// to tell.
    is_quiet: bool,
}

impl SupervisorRole {
    /// Checks the configuration, before anything is started.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn prepare(
        settings: &DriverSettings,
        answering: Answering,
    ) -> anyhow::Result<(Self, AgentFactory)> {
        let config = supervision::config(settings, answering)?;
        let (about, ready_text) = describe(&config);
        let mut setup = SupervisorSetup::prepare(config)?;
        let role = Self {
            notices: setup.observe(),
            handle: setup.handle(),
            about,
            ready_text,
            is_quiet: answering == Answering::StreamRequests,
        };
        let factory: AgentFactory = Box::new(move || {
            let agent = SupervisorAgent::new(setup)
                .map_err(|error| AgentError::terminate("supervisor-start", error))?;
            Ok(Box::new(agent) as Box<dyn Agent>)
        });
        Ok((role, factory))
    }

    /// Prints what the supervisor knows.
    pub(super) fn show(&self, report: &Reporter) {
        match self.handle.wait_snapshot(LOOK_PATIENCE) {
            Ok(snapshot) => report.event("table", &table::text(&snapshot), table::json(&snapshot)),
            Err(error) => report.event(
                "fault",
                &format!("no table: {error}"),
                json!({ "code": "supervisor-table", "text": error.to_string() }),
            ),
        }
    }

    /// Tells what the supervisor has noticed since the last call.
    pub(super) fn tell_notices(&self, report: &Reporter) {
        for notice in self.notices.try_iter() {
            self.tell(report, &notice);
        }
    }

    fn tell(&self, report: &Reporter, notice: &SupervisorNotice) {
        match notice {
            SupervisorNotice::Ready => report.event("ready", &self.ready_text, self.about.clone()),
            SupervisorNotice::NoMediaDriver { reason } if !self.is_quiet => {
                let dir = &self.about["aeron_dir"];
                report.event(
                    "waiting",
                    &format!("supervisor waiting: {reason} in {dir}"),
                    json!({ "reason": reason, "aeron_dir": dir, "role": "supervisor" }),
                );
            }
            SupervisorNotice::MediaDriverDenied { reason } if !self.is_quiet => report.event(
                "waiting",
                &format!("supervisor waiting: the media driver may not be used: {reason}"),
                json!({
                    "reason": reason,
                    "aeron_dir": self.about["aeron_dir"],
                    "role": "supervisor",
                }),
            ),
            SupervisorNotice::LinkLost { reason } if !self.is_quiet => report.event(
                "link_lost",
                &format!("supervisor: link lost: {reason}; nobody is taken for gone meanwhile"),
                json!({ "reason": reason.to_string(), "role": "supervisor" }),
            ),
            SupervisorNotice::Fault { code, text } => report.event(
                "fault",
                &format!("{code}: {text}"),
                json!({ "code": code, "text": text }),
            ),
            SupervisorNotice::Noticed(event) => self.tell_event(report, event),
            _ => {}
        }
    }

    fn tell_event(&self, report: &Reporter, event: &SupervisorEvent) {
        match event {
            SupervisorEvent::Configured {
                config,
                descriptor,
                control,
            } => report.event(
                "consumer_config",
                &config_text(config, *descriptor, *control),
                config_json(config, *descriptor, *control),
            ),
            SupervisorEvent::Full { capacity } => report.event(
                "consumers_full",
                &format!(
                    "more than {capacity} consumers: the others get no streams of their own; raise \
                     supervisor.consumer_capacity"
                ),
                json!({ "capacity": capacity }),
            ),
            SupervisorEvent::ForeignConfig { key } => report.event(
                "config_conflict",
                &format!(
                    "somebody else told {key} how to get its frames: only one supervisor, or \
                     producer, may do so"
                ),
                key_json(*key, json!({})),
            ),
            SupervisorEvent::IdShared { key } => report.event(
                "consumer_id_shared",
                &format!(
                    "two consumers report as {key}: give them ids of their own, or none, so that \
                     they choose"
                ),
                key_json(*key, json!({})),
            ),
            SupervisorEvent::Suppressed { count } => report.event(
                "suppressed",
                &format!("{count} more events of the supervisor were left out"),
                json!({ "count": count }),
            ),
            other if !self.is_quiet => tell_of_peers(report, other),
            _ => {}
        }
    }
}

fn tell_of_peers(report: &Reporter, event: &SupervisorEvent) {
    match event {
        SupervisorEvent::ConsumerJoined { key } => {
            let text = format!("{key} is there");
            report.event("consumer_joined", &text, key_json(*key, json!({})));
        }
        SupervisorEvent::ConsumerLost { key, reason } => report.event(
            "consumer_lost",
            &format!("{key} is gone: {}", reason_text(*reason)),
            key_json(*key, json!({ "reason": reason_text(*reason) })),
        ),
        SupervisorEvent::ProducerJoined {
            stream_id,
            producer_id,
            epoch,
        } => report.event(
            "producer_joined",
            &format!("producer {producer_id} of stream {stream_id} is there, epoch {epoch}"),
            json!({
                "stream": stream_id.get(),
                "producer": producer_id.get(),
                "epoch": epoch.get(),
            }),
        ),
        SupervisorEvent::ProducerLost {
            stream_id,
            producer_id,
            reason,
        } => report.event(
            "producer_lost",
            &format!(
                "producer {producer_id} of stream {stream_id} is gone: {}",
                reason_text(*reason)
            ),
            json!({
                "stream": stream_id.get(),
                "producer": producer_id.get(),
                "reason": reason_text(*reason),
            }),
        ),
        SupervisorEvent::Drops { key, gap, late } => report.event(
            "drops",
            &format!("{key} lost frames: {gap} never heard of, {late} overwritten"),
            key_json(*key, json!({ "gap": gap, "late": late })),
        ),
        other => report.event("notice", &format!("{other:?}"), json!({})),
    }
}

fn describe(config: &SupervisorConfig) -> (Value, String) {
    let ids = |own: &tensorpool::supervisor::OwnStreams| {
        let ranges = own.ids.iter();
        ranges
            .map(|range| format!("{}-{}", range.start(), range.end()))
            .collect::<Vec<_>>()
    };
    let (descriptor, control) = (ids(&config.core.descriptor), ids(&config.core.control));
    let or_none = |ids: &[String]| match ids {
        [] => "none".to_owned(),
        ids => ids.join(", "),
    };
    let who = match config.core.answering {
        Answering::EveryHello => "every consumer is answered",
        Answering::StreamRequests => "consumers that ask for streams of their own are answered",
    };
    let text = format!(
        "supervisor ready: {who}; own descriptor streams {}, own control streams {} (pid {})",
        or_none(&descriptor),
        or_none(&control),
        std::process::id()
    );
    let about = json!({
        "role": "supervisor",
        "answers_everybody": config.core.answering == Answering::EveryHello,
        "descriptor_streams": descriptor,
        "control_streams": control,
        "aeron_dir": config.aeron_dir.display().to_string(),
        "pid": std::process::id(),
    });
    (about, text)
}

fn reason_text(reason: LostReason) -> String {
    match reason {
        LostReason::Silent => "it is silent".to_owned(),
        LostReason::LeaseEnded(why) => format!("its lease ended ({why})"),
        LostReason::Replaced => "its stream is announced without it".to_owned(),
    }
}

fn declined_text(reason: Declined) -> &'static str {
    match reason {
        Declined::Incomplete => "the request lacks a channel or an id",
        Declined::Channel => "the channel leaves this host",
        Declined::NotConfigured => "no ids are configured",
        Declined::Exhausted => "all ids are taken",
    }
}

/// `fields` with stream and consumer in front.
fn key_json(key: ConsumerKey, fields: Value) -> Value {
    let mut object = json!({ "stream": key.stream_id.get(), "consumer": key.consumer_id.get() });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, fields) {
        object.extend(more);
    }
    object
}

fn config_text(
    config: &ConsumerConfig,
    descriptor: Option<Declined>,
    control: Option<Declined>,
) -> String {
    let mut text = format!("{}: mode {}", config.key, config.mode.name());
    text.push_str(if config.use_shm {
        ", shared memory"
    } else {
        ", no shared memory"
    });
    let streams = [
        ("descriptors", &config.descriptor, descriptor),
        ("control", &config.control, control),
    ];
    for (name, own, declined) in streams {
        match (own, declined) {
            (Some(own), _) => text.push_str(&format!(", {name} on {}", own.stream_id)),
            (None, Some(why)) => {
                text.push_str(&format!(", no {name} of its own: {}", declined_text(why)));
            }
            (None, None) => {}
        }
    }
    text
}

fn config_json(
    config: &ConsumerConfig,
    descriptor: Option<Declined>,
    control: Option<Declined>,
) -> Value {
    let own = |stream: &Option<tensorpool::supervisor::OwnStream>| {
        let stream = stream.as_ref();
        stream.map(|own| json!({ "channel": own.channel.as_ref(), "stream": own.stream_id }))
    };
    key_json(
        config.key,
        json!({
            "use_shm": config.use_shm,
            "mode": config.mode.name(),
            "descriptor": own(&config.descriptor),
            "control": own(&config.control),
            "fallback": config.payload_fallback_uri.as_ref().map(|uri| uri.as_str()),
            "descriptor_declined": descriptor.map(declined_text),
            "control_declined": control.map(declined_text),
        }),
    )
}
