//! From what two processes measured to rows.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::endpoints::CACHE_LINE;
use crate::figures::{Delays, Quartiles};
use crate::pair::Outcomes;
use crate::plan::{
    Availability, Exercise, FrameLane, Idle, Lane, LaneOutcome, Mode, Pacing, Plan, Subject, Touch,
};
use crate::row::{Conditions, FramesSaid, Results, Row};

/// A slot of the header ring.
const SLOT_LEN: usize = 256;
/// In front of each message in Aeron's logs.
const AERON_HEADER_LEN: usize = 32;

/// All rows of a plan, in the order of its lanes; delays also as files in `hgrm_dir`.
pub(crate) fn of(plan: &Plan, outcomes: &Outcomes, hgrm_dir: Option<&Path>) -> Result<Vec<Row>> {
    let [first, second] = outcomes;
    let count = plan.lanes.len();
    ensure!(
        first.lanes.len() == count && second.lanes.len() == count,
        "the processes measured other lanes than the {count} of the plan"
    );
    let measured = first.lanes.iter().zip(&second.lanes);
    let lanes: Vec<Measured<'_>> = (plan.lanes.iter().zip(measured))
        .map(|(lane, (first, second))| Measured {
            lane,
            first,
            second,
        })
        .collect();
    let rows = lanes.iter().map(|lane| row(plan, &lanes, lane, hgrm_dir));
    rows.collect()
}

struct Measured<'a> {
    lane: &'a Lane,
    first: &'a LaneOutcome,
    second: &'a LaneOutcome,
}

impl Measured<'_> {
    /// The same exercise with another subject, to be compared round by round.
    fn is_anchor_for(&self, other: &Measured<'_>, is_subject: impl Fn(Subject) -> bool) -> bool {
        let (ours, theirs) = (self.lane.exercise.name(), other.lane.exercise.name());
        let is_floor = other.lane.subject == Subject::Floor;
        is_subject(self.lane.subject)
            && ours == theirs
            && !is_floor
            && !std::ptr::eq(self.lane, other.lane)
    }
}

fn row(
    plan: &Plan,
    lanes: &[Measured<'_>],
    measured: &Measured<'_>,
    hgrm_dir: Option<&Path>,
) -> Result<Row> {
    let Lane { subject, exercise } = *measured.lane;
    let floor = lanes
        .iter()
        .find(|lane| lane.lane.subject == Subject::Floor);
    let floor = floor.context("no floor was measured")?;
    let name = name(plan, measured.lane);
    let ns = Quartiles::of(measured.first.samples.iter().copied());
    let over = |anchor: Option<&Measured<'_>>| {
        let anchor = &anchor?.first.samples;
        let pairs = measured.first.samples.iter().zip(anchor);
        Quartiles::of(pairs.map(|(ours, theirs)| ours / theirs))
    };
    let is_floor = |subject| subject == Subject::Floor;
    let is_aeron = |subject| matches!(subject, Subject::Aeron { .. });
    let is_iceoryx = |other| match (other, subject) {
        (Subject::Iceoryx { len, .. }, Subject::Frames(frame)) => len == frame.len,
        _ => false,
    };
    let anchor = |is_subject: &dyn Fn(Subject) -> bool| {
        let mut lanes = lanes.iter();
        lanes.find(|lane| lane.is_anchor_for(measured, is_subject))
    };
    let copies = lanes
        .iter()
        .find(|lane| match (lane.lane.subject, subject) {
            (Subject::Memcpy { len, .. }, Subject::Frames(frame)) => {
                len == frame.len && frame.mode == Mode::Copy && is_burst(exercise)
            }
            _ => false,
        });
    let delays = Delays::of(&measured.second.delays)?;
    if let (Some(delays), Some(dir)) = (&delays, hgrm_dir) {
        delays.write(dir, &name)?;
    }
    let is_rate = matches!(exercise, Exercise::Burst { .. } | Exercise::Copy { .. });
    let per_second = ns.filter(|_| is_rate).map(|ns| 1e9 / ns.p50);
    Ok(Row {
        event: "row",
        name,
        subject: subject_name(subject),
        exercise: exercise.name(),
        frames: frames_said(plan, subject),
        size: size(subject),
        conditions: conditions(plan, measured, floor)?,
        results: Results {
            ns,
            per_second,
            bytes_per_second: per_second.map(|count| count * size(subject) as f64),
            over_floor: over(anchor(&is_floor)),
            over_aeron: over(anchor(&is_aeron)),
            over_iceoryx2: over(anchor(&is_iceoryx)),
            over_memcpy: over(copies),
            delay_ns: delays.map(|delays| delays.percentiles()),
            core_share: None,
            lost: measured.first.lost + measured.second.lost,
            unannounced: measured.first.unannounced + measured.second.unannounced,
        },
    })
}

fn is_burst(exercise: Exercise) -> bool {
    matches!(exercise, Exercise::Burst { .. })
}

fn conditions(plan: &Plan, measured: &Measured<'_>, floor: &Measured<'_>) -> Result<Conditions> {
    let Lane { subject, exercise } = *measured.lane;
    let floor_ns = Quartiles::of(floor.first.samples.iter().copied());
    let processes = match exercise {
        Exercise::Copy { .. } => 1,
        _ => 2,
    };
    let cores = match plan.cores {
        Some([first, _]) if processes == 1 => first.to_string(),
        Some([first, second]) => format!("{first},{second}"),
        None => "unpinned".into(),
    };
    let (reader_bytes, writer_bytes) = bytes_touched(subject);
    Ok(Conditions {
        processes,
        cores,
        placement_floor_ns: floor_ns.context("the floor has no samples")?,
        pacing: pacing(plan, subject, exercise),
        reader_bytes,
        writer_bytes,
        rounds: plan.rounds,
        messages: measured.first.messages,
        term_length: match subject {
            Subject::Aeron { .. } | Subject::Frames(_) => Some(plan.term_len),
            Subject::Floor | Subject::Iceoryx { .. } | Subject::Memcpy { .. } => None,
        },
    })
}

/// By the reader and by the writer, per message.
fn bytes_touched(subject: Subject) -> (usize, usize) {
    match subject {
        Subject::Floor => (CACHE_LINE, size_of::<u64>()),
        Subject::Aeron { len } => (
            (len + AERON_HEADER_LEN).next_multiple_of(CACHE_LINE),
            len + AERON_HEADER_LEN,
        ),
        Subject::Frames(FrameLane { mode, len, touch }) => {
            let read = match touch {
                Touch::Header => SLOT_LEN,
                Touch::Lines => SLOT_LEN + len.next_multiple_of(CACHE_LINE),
            };
            let written = match mode {
                Mode::Copy => len,
                Mode::Claim => 0,
            };
            (read, written)
        }
        // The stamp lies in front of the payload, in a line of its own.
        Subject::Iceoryx { len, touch } => {
            let read = match touch {
                Touch::Header => CACHE_LINE,
                Touch::Lines => CACHE_LINE + len.next_multiple_of(CACHE_LINE),
            };
            (read, len)
        }
        Subject::Memcpy { len, .. } => (len, len),
    }
}

fn pacing(plan: &Plan, subject: Subject, exercise: Exercise) -> String {
    let idle = match plan.idle {
        Idle::BusySpin => "busy-spin",
        Idle::Backoff => "receivers back off",
    };
    let window = match (subject, &plan.frames) {
        (Subject::Frames(_), Some(frames)) => match frames.pacing {
            Pacing::Credit => format!(", window of {} by credit", frames.slots / 2),
            Pacing::Lossless => format!(", lossless producer, {} slots", frames.slots),
        },
        (Subject::Iceoryx { .. }, _) => ", window of 32 by credit".into(),
        (Subject::Aeron { .. }, _) => ", Aeron's back-pressure".into(),
        _ => String::new(),
    };
    match exercise {
        Exercise::PingPong { .. } => format!("closed loop, {idle}"),
        Exercise::OpenLoop { rate_hz, .. } => format!("open loop at {rate_hz}/s{window}, {idle}"),
        Exercise::Burst { .. } => format!("as fast as it goes{window}, {idle}"),
        Exercise::Cost { batch, .. } => format!("batches of {batch}, {idle}"),
        Exercise::Copy { .. } => "as fast as it goes".into(),
    }
}

fn frames_said(plan: &Plan, subject: Subject) -> Option<FramesSaid> {
    let Subject::Frames(FrameLane { mode, touch, .. }) = subject else {
        return None;
    };
    let frames = plan.frames.as_ref()?;
    Some(FramesSaid {
        availability: frames.availability,
        mode,
        touch,
        consumers: frames.consumers,
        streams: frames.streams,
        slots: frames.slots,
        pacing: frames.pacing,
    })
}

fn subject_name(subject: Subject) -> &'static str {
    match subject {
        Subject::Floor => "floor",
        Subject::Aeron { .. } => "aeron",
        Subject::Frames(_) => "tensorpool",
        Subject::Iceoryx { .. } => "iceoryx2",
        Subject::Memcpy { .. } => "memcpy",
    }
}

fn size(subject: Subject) -> usize {
    match subject {
        Subject::Floor => size_of::<u64>(),
        Subject::Aeron { len } | Subject::Iceoryx { len, .. } | Subject::Memcpy { len, .. } => len,
        Subject::Frames(frame) => frame.len,
    }
}

/// Says all that tells rows of one run apart.
fn name(plan: &Plan, lane: &Lane) -> String {
    let mut parts = vec![subject_name(lane.subject).to_owned()];
    if let (Subject::Frames(frame), Some(frames)) = (lane.subject, &plan.frames) {
        parts.push(match frames.availability {
            Availability::Descriptor => "descriptor".into(),
            Availability::HeaderRing => "header-ring".into(),
        });
        parts.push(match frame.mode {
            Mode::Copy => "copy".into(),
            Mode::Claim => "claim".into(),
        });
        parts.push(format!("{}B", frame.len));
        if frame.touch == Touch::Lines {
            parts.push("lines".into());
        }
        if frames.consumers > 1 {
            parts.push(format!("{}-consumers", frames.consumers));
        }
        if frames.streams > 1 {
            parts.push(format!("{}-streams", frames.streams));
        }
        if frames.pacing == Pacing::Lossless {
            parts.push("lossless".into());
        }
    } else if lane.subject != Subject::Floor {
        parts.push(format!("{}B", size(lane.subject)));
        if matches!(
            lane.subject,
            Subject::Iceoryx {
                touch: Touch::Lines,
                ..
            }
        ) {
            parts.push("lines".into());
        }
    }
    parts.push(match lane.exercise {
        Exercise::OpenLoop { rate_hz, .. } => format!("{rate_hz}Hz"),
        exercise => exercise.name().into(),
    });
    parts.join("/")
}
