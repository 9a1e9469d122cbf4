//! From a command line to a plan.

use crate::args::{Common, Cores, FrameArgs};
use crate::plan::{
    Exercise, FrameLane, FramesPlan, Idle, Lane, Mode, Pacing, Plan, Subject, Touch,
};

/// How long a batch takes, roughly.
const LATENCY_BATCH_NS: f64 = 1e6;
const THROUGHPUT_BATCH_NS: f64 = 1e7;
/// A guess, to choose the number of messages in a batch.
const COPY_BYTES_PER_NS: f64 = 8.0;
const MESSAGE_NS: f64 = 300.0;
const BURST_MESSAGE_NS: f64 = 120.0;

const FLOOR_TRIPS: u32 = 400;
const LATENCY_TRIPS: (u32, u32) = (2, 1_000);
const BURST_COUNT: (u32, u32) = (32, 50_000);
/// Messages of an open loop come in rounds of this duration.
const OPEN_LOOP_ROUND_NS: u64 = 25_000_000;
const COST_BATCHES: u32 = 20;
const COST_BATCH: u32 = 32;

const AERON_LEN: usize = 48;
const MEMCPY_SLOTS: u32 = 64;
const RING_BYTES: usize = 512 << 20;
const SLOTS: (u32, u32) = (8, 1024);
const WARMUP_SHARE: u32 = 10;

pub(crate) fn floor(common: &Common) -> Plan {
    plan(common, vec![floor_lane(common)])
}

pub(crate) fn aeron(common: &Common, len: usize, rate: Option<u32>) -> Plan {
    let subject = Subject::Aeron { len };
    let exercises = match rate {
        Some(rate_hz) => vec![open_loop(common, rate_hz)],
        None => vec![ping_pong(common, 0), burst(common, 0)],
    };
    let lanes = exercises
        .into_iter()
        .map(|exercise| Lane { subject, exercise });
    plan(common, lanes.collect())
}

/// Raw Aeron beside each kind of frame.
pub(crate) fn latency(common: &Common, args: &FrameArgs, rate: Option<u32>) -> Plan {
    let exercise = |bytes| match rate {
        Some(rate_hz) => open_loop(common, rate_hz),
        None => ping_pong(common, bytes),
    };
    let mut lanes = vec![raw_aeron(exercise(0))];
    lanes.extend(frame_lanes(args).map(|frame| Lane {
        subject: Subject::Frames(frame),
        exercise: exercise(moved_bytes(&frame)),
    }));
    lanes.extend(iceoryx_lanes(args).map(|frame| Lane {
        subject: iceoryx(&frame),
        exercise: exercise(moved_bytes(&frame)),
    }));
    Plan {
        frames: Some(frames_plan(args, Pacing::Credit)),
        duplex: rate.is_none(),
        ..plan(common, lanes)
    }
}

/// Raw Aeron and copies beside each kind of frame.
pub(crate) fn throughput(common: &Common, args: &FrameArgs, pacing: Pacing) -> Plan {
    let mut lanes = vec![raw_aeron(burst(common, 0))];
    for frame in frame_lanes(args) {
        let exercise = burst(common, moved_bytes(&frame));
        let subject = Subject::Frames(frame);
        lanes.push(Lane { subject, exercise });
        if frame.mode == Mode::Copy {
            lanes.push(copy_lane(common, frame.len, MEMCPY_SLOTS.min(slots(args))));
        }
    }
    lanes.extend(iceoryx_lanes(args).map(|frame| Lane {
        subject: iceoryx(&frame),
        exercise: burst(common, moved_bytes(&frame)),
    }));
    Plan {
        frames: Some(frames_plan(args, pacing)),
        ..plan(common, lanes)
    }
}

pub(crate) fn cost(common: &Common, args: &FrameArgs) -> Plan {
    let exercise = Exercise::Cost {
        batches: shrunk(COST_BATCHES, common),
        batch: COST_BATCH.min(slots(args) / 2),
    };
    let lanes = frame_lanes(args).map(|frame| Lane {
        subject: Subject::Frames(frame),
        exercise,
    });
    Plan {
        frames: Some(frames_plan(args, Pacing::Credit)),
        idle: Idle::Backoff,
        ..plan(common, lanes.collect())
    }
}

pub(crate) fn memcpy(common: &Common, sizes: &[usize]) -> Plan {
    let lanes = sizes
        .iter()
        .map(|&len| copy_lane(common, len, MEMCPY_SLOTS));
    plan(common, lanes.collect())
}

/// The floor is part of every plan: it says where the host has put the two cores.
fn plan(common: &Common, mut lanes: Vec<Lane>) -> Plan {
    if lanes.iter().all(|lane| lane.subject != Subject::Floor) {
        lanes.insert(0, floor_lane(common));
    }
    Plan {
        dir: common.base_dir.clone(),
        cores: match common.cores {
            Cores::Pinned(cores) => Some(cores),
            Cores::Unpinned => None,
        },
        rounds: common.rounds,
        warmup_rounds: common.rounds.div_ceil(WARMUP_SHARE),
        lanes,
        frames: None,
        term_len: common.term_length,
        duplex: false,
        idle: Idle::BusySpin,
    }
}

fn frame_lanes(args: &FrameArgs) -> impl Iterator<Item = FrameLane> + '_ {
    args.mode.iter().flat_map(|&mode| {
        let touch = args.touch;
        args.size
            .iter()
            .map(move |&len| FrameLane { mode, len, touch })
    })
}

/// The frames that iceoryx2 is given as well.
fn iceoryx_lanes(args: &FrameArgs) -> impl Iterator<Item = FrameLane> + '_ {
    let sizes = args.size.iter().filter(|_| args.iceoryx2);
    sizes.map(|&len| FrameLane {
        mode: Mode::Copy,
        len,
        touch: args.touch,
    })
}

fn iceoryx(&FrameLane { len, touch, .. }: &FrameLane) -> Subject {
    Subject::Iceoryx { len, touch }
}

fn frames_plan(args: &FrameArgs, pacing: Pacing) -> FramesPlan {
    FramesPlan {
        availability: args.availability,
        consumers: usize::from(args.consumers),
        streams: usize::from(args.streams),
        slots: slots(args),
        strides: strides(args),
        pacing,
    }
}

/// A pool for each size, powers of two as all implementations take them.
fn strides(args: &FrameArgs) -> Vec<u32> {
    let strides = args.size.iter().map(|&len| stride(len));
    let mut strides: Vec<u32> = strides.collect();
    strides.sort_unstable();
    strides.dedup();
    strides
}

fn stride(len: usize) -> u32 {
    u32::try_from(len.max(64).next_power_of_two()).unwrap_or(1 << 31)
}

fn slots(args: &FrameArgs) -> u32 {
    let sum: usize = strides(args).iter().map(|&stride| stride as usize).sum();
    let fitting = u32::try_from(RING_BYTES / sum.max(1)).unwrap_or(SLOTS.1);
    let largest = fitting.clamp(SLOTS.0, SLOTS.1);
    args.slots.unwrap_or(1 << largest.ilog2())
}

fn floor_lane(common: &Common) -> Lane {
    Lane {
        subject: Subject::Floor,
        exercise: Exercise::PingPong {
            trips: shrunk(FLOOR_TRIPS, common),
        },
    }
}

fn raw_aeron(exercise: Exercise) -> Lane {
    let subject = Subject::Aeron { len: AERON_LEN };
    Lane { subject, exercise }
}

fn copy_lane(common: &Common, len: usize, slots: u32) -> Lane {
    Lane {
        subject: Subject::Memcpy { len, slots },
        exercise: Exercise::Copy {
            count: fitting(common, THROUGHPUT_BATCH_NS, 10.0, len, BURST_COUNT),
        },
    }
}

fn ping_pong(common: &Common, bytes: usize) -> Exercise {
    Exercise::PingPong {
        trips: fitting(
            common,
            LATENCY_BATCH_NS,
            2.0 * MESSAGE_NS,
            2 * bytes,
            LATENCY_TRIPS,
        ),
    }
}

fn burst(common: &Common, bytes: usize) -> Exercise {
    Exercise::Burst {
        count: fitting(
            common,
            THROUGHPUT_BATCH_NS,
            BURST_MESSAGE_NS,
            bytes,
            BURST_COUNT,
        ),
    }
}

fn open_loop(common: &Common, rate_hz: u32) -> Exercise {
    let count = u64::from(rate_hz) * OPEN_LOOP_ROUND_NS / 1_000_000_000;
    Exercise::OpenLoop {
        rate_hz,
        count: shrunk(u32::try_from(count).unwrap_or(u32::MAX), common),
    }
}

/// Payload bytes that are moved per frame, by the writer and by the reader.
fn moved_bytes(frame: &FrameLane) -> usize {
    let written = match frame.mode {
        Mode::Copy => frame.len,
        Mode::Claim => 0,
    };
    let read = match frame.touch {
        Touch::Header => 0,
        Touch::Lines => frame.len,
    };
    written + read
}

/// How many messages fit a batch.
fn fitting(common: &Common, batch_ns: f64, message_ns: f64, bytes: usize, most: (u32, u32)) -> u32 {
    let each_ns = message_ns + bytes as f64 / COPY_BYTES_PER_NS;
    let count = ((batch_ns / each_ns) as u32).clamp(most.0, most.1);
    shrunk(count, common)
}

fn shrunk(count: u32, common: &Common) -> u32 {
    (count / common.shrink).max(1)
}
