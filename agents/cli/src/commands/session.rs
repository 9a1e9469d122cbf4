//! What publish and subscribe share: saying what happened to the stream, and progress twice a second.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};
use tensorpool::client::{AttachError, BlobOutcome, Event, FinalCounts, OpenError, Pending};

use crate::args::StreamArgs;
use crate::report::Reporter;
use crate::report::figures::count_text;
use crate::signals::StopFlag;

/// Between two progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Beyond the attach timeout, which the client watches: what mapping the memory may take.
const OPEN_MARGIN: Duration = Duration::from_secs(30);

/// Waits for a producer or consumer; `None` when a signal came first.
///
/// # Errors
/// When it cannot be opened, with what to do about it.
pub(super) fn open<T>(
    mut pending: Pending<T>,
    stop: &StopFlag,
    stream: &StreamArgs,
) -> anyhow::Result<Option<T>> {
    let deadline = Instant::now() + stream.attach_timeout + OPEN_MARGIN;
    loop {
        if let Some(answer) = pending.poll() {
            return answer.map(Some).map_err(|error| advise(error, stream));
        }
        if stop.is_set() {
            return Ok(None);
        }
        if Instant::now() > deadline {
            bail!(
                "stream {} was attached but not mapped within {OPEN_MARGIN:?}",
                stream.stream
            );
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The summary of a command that a signal ended before there was anything to sum up.
pub(super) fn tell_interrupted(report: &Reporter, what: &str) {
    report.summary(
        &format!("{what} nothing: interrupted before it was attached"),
        json!({ "frames": 0, "bytes": 0, "seconds": 0.0, "attached": false }),
    );
}

fn advise(error: OpenError, stream: &StreamArgs) -> anyhow::Error {
    let error = match &error {
        OpenError::NoMediaDriver { dir, reason } => anyhow!(
            "{reason} in {dir}; start one with `agent-runner run media-driver`, or name its \
             directory with --aeron-dir"
        ),
        OpenError::Attach(AttachError::NoAnswer { .. }) => {
            anyhow!("{error}; start one with `agent-runner run driver`")
        }
        OpenError::Attach(AttachError::NoProducer { .. }) => {
            anyhow!("{error}; start one with `agent-runner publish --no-driver`")
        }
        // The driver's own words for a stream that its configuration does not have.
        OpenError::Attach(AttachError::Rejected { message, .. })
            if message.contains("not provisioned") =>
        {
            anyhow!(
                "{error}; `agent-runner run driver` says which streams there are when it starts, \
                 choose one with --stream, add this one to its configuration, or {}",
                if stream.create {
                    "have it create this one: set policies.allow_dynamic_streams, with ids in \
                     driver.stream_id_range"
                } else {
                    "use --create if it allows dynamic streams"
                }
            )
        }
        _ => match advised(&error.to_string()) {
            Some(advised) => anyhow!(advised),
            None => anyhow!(error),
        },
    };
    error.context(format!("cannot open stream {}", stream.stream))
}

/// What was said of memory that is refused, with what to do where it lies in an unexpected place.
fn advised(error: &str) -> Option<String> {
    let is_outside = error.contains("outside of the allowed base directories");
    is_outside.then(|| {
        format!(
            "{error}; if that is where the driver is to have its memory, give this command the \
             driver's configuration with --config, or its directory in the variable SHM_BASE_DIR"
        )
    })
}

/// Has `spawn` start its threads on the other cores, if there are any, and pins the calling thread, which is
/// the one that moves frames, to this one. Threads run where the one that starts them does: pinned first, a
/// conductor would share the core with whoever spins there.
///
/// # Errors
/// When there is no such core, and what `spawn` says.
pub(super) fn beside_core<T>(
    core: Option<usize>,
    spawn: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let Some(core) = core else { return spawn() };
    if core >= CpuSet::MAX_CPU {
        bail!("--core {core}: no such core");
    }
    let mut own = CpuSet::new();
    own.set(core);
    // First of all: a core that is not there is not to be found out about later.
    let all = sched_getaffinity(None).context("cannot ask for the cores of this process")?;
    sched_setaffinity(None, &own)
        .with_context(|| format!("--core {core}: cannot pin to this core"))?;
    let mut others = all;
    others.unset(core);
    let beside = if others.count() == 0 { &all } else { &others };
    sched_setaffinity(None, beside).context("cannot leave the core again")?;
    let spawned = spawn()?;
    sched_setaffinity(None, &own).context("cannot pin to the core again")?;
    Ok(spawned)
}

/// Says when a progress report is due.
pub(super) struct ProgressTimer {
    next: Instant,
}

impl ProgressTimer {
    /// The first report is due one interval from now.
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now() + PROGRESS_INTERVAL,
        }
    }

    /// Whether a report is due at `now`; the next one is an interval later.
    pub(super) fn is_due_at(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + PROGRESS_INTERVAL;
        true
    }
}

/// Tells the user of an event.
pub(super) fn tell(report: &Reporter, event: &Event) {
    let (name, text, fields) = describe(event);
    report.event(name, &text, fields);
}

fn describe(event: &Event) -> (&'static str, String, Value) {
    match event {
        Event::Mapped { epoch } => (
            "mapped",
            format!("mapped epoch {epoch}"),
            json!({ "epoch": epoch.get() }),
        ),
        Event::Remapped { old, new } => (
            "mapped",
            format!("mapped epoch {new} after {old}"),
            json!({ "epoch": new.get(), "old_epoch": old.get() }),
        ),
        Event::DriverLost { reason } => (
            "driver_lost",
            format!("driver lost: {reason}; attaching again"),
            json!({ "reason": reason.to_string() }),
        ),
        Event::DriverBack { .. } => ("driver_back", "driver is back".to_owned(), json!({})),
        Event::LeaseLost { reason } => (
            "lease_lost",
            format!("lease lost: {reason}; attaching again"),
            json!({ "reason": reason.to_string() }),
        ),
        Event::ClientIdShared { client_id } => (
            "client_id_shared",
            format!("another consumer reports as client {client_id}; give each an id of its own"),
            json!({ "client_id": client_id.get() }),
        ),
        Event::LeaseBack { .. } => ("lease_back", "lease is back".to_owned(), json!({})),
        Event::Retrying { error, delay } => (
            "retrying",
            format!("{error}; trying again in {} ms", delay.as_millis()),
            json!({ "error": error.to_string(), "delay_ms": delay.as_millis() as u64 }),
        ),
        Event::MapFailed {
            epoch,
            error,
            in_use,
            delay,
        } => {
            let meanwhile = match in_use {
                Some(epoch) => format!("epoch {epoch} as mapped before stays in use"),
                None => "nothing is mapped".to_owned(),
            };
            let delay_ms = delay.as_millis() as u64;
            let error = advised(error).unwrap_or_else(|| error.clone());
            (
                "map_failed",
                format!(
                    "cannot map what was announced for epoch {epoch}: {error}; {meanwhile}; trying \
                     again in {delay_ms} ms"
                ),
                json!({
                    "epoch": epoch.get(),
                    "error": error,
                    "in_use": in_use.map(|epoch| epoch.get()),
                    "delay_ms": delay_ms,
                }),
            )
        }
        Event::EndOfStream { epoch, counts } => (
            "end_of_stream",
            format!("end of stream: {}", counts_text(counts)),
            counts_json(*epoch, counts),
        ),
        Event::SourceLost {
            epoch,
            reason,
            counts,
        } => {
            let why = reason.map_or_else(|| "gone".to_owned(), |reason| reason.to_string());
            let text = format!(
                "producer lost ({why}): {}; waiting for the next",
                counts_text(counts)
            );
            let mut fields = counts_json(*epoch, counts);
            fields["reason"] = why.into();
            ("source_lost", text, fields)
        }
        Event::SourceStale { epoch } => (
            "source_stale",
            format!("the producer of epoch {epoch} shows no activity"),
            json!({ "epoch": epoch.get() }),
        ),
        Event::Stalled {
            channel, stream_id, ..
        } => (
            "stalled",
            format!(
                "an unpolled subscriber on stream {stream_id} of {channel} holds the descriptors up; frames are \
                 written, but consumers there are not told of them"
            ),
            json!({ "channel": channel.as_ref(), "stream_id": stream_id }),
        ),
        Event::Flowing {
            channel, stream_id, ..
        } => (
            "flowing",
            format!("descriptors flow again on stream {stream_id}"),
            json!({ "channel": channel.as_ref(), "stream_id": stream_id }),
        ),
        Event::BlobDone { id, outcome } => (
            "blob_done",
            format!("blob {}: {}", id.0, outcome_text(*outcome)),
            json!({ "blob": id.0, "outcome": outcome_name(*outcome) }),
        ),
        Event::BlobFailed {
            version,
            blob_type,
            defect,
        } => (
            "blob_failed",
            format!("a blob of type {blob_type} for metadata {version} did not arrive: {defect}"),
            json!({ "type": blob_type, "version": version.get(), "defect": defect.to_string() }),
        ),
        Event::MetadataRefused {
            version,
            found,
            max,
        } => (
            "metadata_refused",
            format!("metadata {version} takes {found} bytes, the metadata stream {max}"),
            json!({ "version": version.get(), "bytes": found, "max_bytes": max }),
        ),
        Event::LinkLost { reason } => (
            "link_lost",
            format!("link lost: {reason}; waiting for a media driver"),
            json!({ "reason": reason.to_string() }),
        ),
        Event::ConfigChanged {
            mode,
            use_shm,
            descriptor_stream_id,
            control_stream_id,
        } => (
            "config_changed",
            format!(
                "config: mode {mode}, {}, {}",
                if *use_shm {
                    "shared memory"
                } else {
                    "no shared memory"
                },
                match descriptor_stream_id {
                    Some(id) => format!("descriptors on its own stream {id}"),
                    None => "descriptors on the shared stream".to_owned(),
                }
            ),
            json!({
                "mode": mode.to_string(),
                "use_shm": use_shm,
                "descriptor_stream": descriptor_stream_id,
                "control_stream": control_stream_id,
            }),
        ),
        Event::Fallback { uri } => (
            "fallback",
            match uri {
                Some(uri) => format!("payloads do not come from shared memory but from {uri}"),
                None => {
                    "payloads do not come from shared memory, and nobody says from where".into()
                }
            },
            json!({ "uri": uri }),
        ),
        Event::LinkUp => ("link_up", "link is up".to_owned(), json!({})),
        Event::Closed => ("closed", "the client has closed".to_owned(), json!({})),
        other => (
            "notice",
            format!("{other:?}"),
            json!({ "notice": format!("{other:?}") }),
        ),
    }
}

fn outcome_name(outcome: BlobOutcome) -> &'static str {
    match outcome {
        BlobOutcome::Sent => "sent",
        BlobOutcome::TimedOut => "timed_out",
        BlobOutcome::Refused => "refused",
        _ => "unknown",
    }
}

fn outcome_text(outcome: BlobOutcome) -> &'static str {
    match outcome {
        BlobOutcome::Sent => "sent",
        BlobOutcome::TimedOut => {
            "given up, nobody listens; start consumers that ask for metadata first"
        }
        BlobOutcome::Refused => "refused, the messages of the metadata stream are too short",
        _ => "of unknown outcome",
    }
}

fn counts_text(counts: &FinalCounts) -> String {
    let skipped = match counts.rate_limited {
        0 => String::new(),
        skipped => format!(", {skipped} skipped for the rate"),
    };
    format!(
        "{} delivered, {} lost{skipped}",
        count_text(counts.delivered, "frame"),
        counts.lost
    )
}

fn counts_json(epoch: tensorpool::codecs::types::Epoch, counts: &FinalCounts) -> Value {
    json!({
        "epoch": epoch.get(),
        "end_seq": counts.end_seq.map(tensorpool::codecs::types::Seq::get),
        "seen": counts.seen,
        "delivered": counts.delivered,
        "lost": counts.lost,
        "rate_limited": counts.rate_limited,
        "tail": counts.tail,
    })
}
