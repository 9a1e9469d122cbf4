//! The role `driver`: owns the memory of the configured streams.

use crossbeam_channel::Receiver;
use serde_json::{Value, json};
use tensorpool::driver::{DriverAgent, DriverEvent, DriverSetup};
use tensorpool::protocol::common::{LeaseRevokeReason, Role};
use tensorpool::runtime::{Agent, AgentError};

use crate::config::DriverSettings;
use crate::report::Reporter;

use super::AgentFactory;
use crate::commands::settings;

/// What the main thread keeps of a driver.
pub(super) struct DriverRole {
    events: Receiver<DriverEvent>,
    about: Value,
    ready_text: String,
}

impl DriverRole {
    /// Takes the namespace and checks that everything fits, before anything is started.
    ///
    /// # Errors
    /// When the configuration cannot be used, another driver holds the namespace, or the memory does not suffice.
    pub(super) fn prepare(
        settings: &DriverSettings,
        report: &Reporter,
    ) -> anyhow::Result<(Self, AgentFactory)> {
        let config = settings::driver_config(settings)?;
        for text in settings::without_effect(settings) {
            let fields = json!({ "keys": text });
            report.event(
                "without_effect",
                &format!("warning: without effect: {text}"),
                fields,
            );
        }
        let aeron_dir = config.aeron_dir.display().to_string();
        let base_dir = config.base_dir.display().to_string();
        let streams: Vec<u32> = config.streams.iter().map(|s| s.stream_id.get()).collect();
        let dynamic = config.dynamic.iter().flat_map(|dynamic| &dynamic.ranges);
        let dynamic: Vec<String> = dynamic.map(ToString::to_string).collect();
        let mut setup = DriverSetup::prepare(config)?;
        let leftovers = setup.leftovers();
        if !leftovers.removed.is_empty() {
            let count = leftovers.removed.len();
            let text = format!("removed what a driver that has died left behind: {count} epoch(s)");
            report.event("leftovers_removed", &text, json!({ "epochs": count }));
        }
        if !leftovers.young.is_empty() {
            let count = leftovers.young.len();
            let text = format!(
                "what a driver that has died left behind goes when it is old enough, or its room is \
                 needed: {count} epoch(s)"
            );
            report.event("leftovers_waiting", &text, json!({ "epochs": count }));
        }
        let events = setup.observe();
        let region_dir = setup.region_dir().display().to_string();
        let ready_text = format!(
            "driver ready: streams {streams:?}{} in {region_dir}, media driver in {aeron_dir} (pid {})",
            match dynamic.as_slice() {
                [] => String::new(),
                ranges => format!(" and new ones in {}", ranges.join(", ")),
            },
            std::process::id()
        );
        let about = json!({
            "role": "driver",
            "streams": streams,
            "dynamic": dynamic,
            "base_dir": base_dir,
            "region_dir": region_dir,
            "aeron_dir": aeron_dir,
            "pid": std::process::id(),
        });
        let factory: AgentFactory = Box::new(move || {
            let agent = DriverAgent::new(setup)
                .map_err(|error| AgentError::terminate("driver-start", error))?;
            Ok(Box::new(agent) as Box<dyn Agent>)
        });
        Ok((
            Self {
                events,
                about,
                ready_text,
            },
            factory,
        ))
    }

    /// Tells what the driver has done since the last call.
    pub(super) fn tell_events(&self, report: &Reporter) {
        for event in self.events.try_iter() {
            self.tell(report, &event);
        }
    }

    fn tell(&self, report: &Reporter, event: &DriverEvent) {
        match event {
            DriverEvent::Ready => report.event("ready", &self.ready_text, self.about.clone()),
            DriverEvent::NoMediaDriver { reason } => {
                let dir = &self.about["aeron_dir"];
                report.event(
                    "waiting",
                    &format!(
                        "waiting: {reason} in {dir}; start one with `agent-runner run media-driver`"
                    ),
                    json!({ "reason": reason, "aeron_dir": dir }),
                );
            }
            DriverEvent::MediaDriverDenied { reason } => report.event(
                "waiting",
                &format!("waiting: the media driver may not be used: {reason}"),
                json!({ "reason": reason, "aeron_dir": self.about["aeron_dir"] }),
            ),
            DriverEvent::LinkLost { reason } => report.event(
                "link_lost",
                &format!("link lost: {reason}; leases stand still until a media driver is back"),
                json!({ "reason": reason.to_string() }),
            ),
            DriverEvent::RivalDriver {
                region_uri,
                control,
            } => {
                let uri = region_uri.as_ref();
                let place = uri.map_or(String::new(), |uri| format!(" (its memory: {uri})"));
                report.event(
                    "driver_conflict",
                    &format!(
                        "warning: another driver answers on {control}{place}; each ends the leases of the \
                         other's clients, so that nothing works for either: stop one, or give it control, \
                         announce and QoS streams of its own"
                    ),
                    json!({ "control": control, "region_uri": region_uri }),
                );
            }
            DriverEvent::Attached {
                stream_id,
                client_id,
                role,
                lease_id,
                epoch,
            } => report.event(
                "attached",
                &format!(
                    "{} {client_id} attached to stream {stream_id}, epoch {epoch}",
                    role_name(*role)
                ),
                json!({
                    "stream": stream_id.get(),
                    "client": client_id.get(),
                    "role": role_name(*role),
                    "lease": lease_id.get().to_string(),
                    "epoch": epoch.get(),
                }),
            ),
            DriverEvent::LeaseEnded {
                stream_id,
                client_id,
                role,
                lease_id,
                reason,
            } => {
                let (name, verb) = match reason {
                    LeaseRevokeReason::Detached => ("lease_detached", "detached"),
                    LeaseRevokeReason::Expired => ("lease_expired", "expired"),
                    LeaseRevokeReason::Revoked => ("lease_revoked", "was revoked"),
                };
                report.event(
                    name,
                    &format!(
                        "lease of {} {client_id} on stream {stream_id} {verb}",
                        role_name(*role)
                    ),
                    json!({
                        "stream": stream_id.get(),
                        "client": client_id.get(),
                        "role": role_name(*role),
                        "lease": lease_id.get().to_string(),
                    }),
                );
            }
            DriverEvent::Fault { code, text } => {
                report.event(
                    "fault",
                    &format!("{code}: {text}"),
                    json!({ "code": code, "text": text }),
                );
            }
            other => report.event("notice", &format!("{other:?}"), json!({})),
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Consumer => "consumer",
    }
}
