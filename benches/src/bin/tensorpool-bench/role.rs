//! One of the two processes: walks through the plan, and says what it measured.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};

use crate::endpoints::{AeronEndpoint, CopyRing, FloorEndpoint, FramesEndpoint, IceoryxEndpoint};
use crate::exercises::{self, Record, Recorder};
use crate::meeting::Meeting;
use crate::plan::{Exercise, Lane, LaneOutcome, Outcome, Plan, Side, Subject};

/// Reads a plan from standard input, and writes the outcome to standard output.
pub(crate) fn main(side: Side) -> Result<()> {
    // Whoever started this process is gone: nothing of it must stay.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    let plan: Plan = serde_json::from_str(&text).context("this is no plan")?;
    let outcome = Role::open(&plan, side)?.run(&plan)?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &outcome)?;
    Ok(out.flush()?)
}

struct Role {
    side: Side,
    meeting: Meeting,
    floor: FloorEndpoint,
    aeron: Option<AeronEndpoint>,
    frames: Option<FramesEndpoint>,
    iceoryx: Option<IceoryxEndpoint>,
    /// One per lane that copies, in the order of lanes.
    copies: Vec<Option<CopyRing>>,
    recorders: Vec<Recorder>,
}

impl Role {
    fn open(plan: &Plan, side: Side) -> Result<Self> {
        let mut meeting = Meeting::join(&plan.dir, side)?;
        let is_aeron = |lane: &Lane| matches!(lane.subject, Subject::Aeron { .. });
        let mut aeron = match plan.lanes.iter().any(is_aeron) {
            true => Some(AeronEndpoint::open(plan, side)?),
            false => None,
        };
        if let Some(aeron) = &mut aeron {
            aeron.connect()?;
        }
        let mut iceoryx = match plan.needs_iceoryx() {
            true => Some(IceoryxEndpoint::open(plan, side)?),
            false => None,
        };
        if let Some(iceoryx) = &mut iceoryx {
            iceoryx.connect()?;
        }
        let mut frames = match &plan.frames {
            Some(frames) => Some(FramesEndpoint::open(plan, frames, side)?),
            None => None,
        };
        meeting.meet_when(|| match &mut frames {
            Some(frames) => frames.is_connected(),
            None => Ok(true),
        })?;
        let copies = plan.lanes.iter().map(|lane| match (lane.subject, side) {
            (Subject::Memcpy { len, slots }, Side::First) => Some(CopyRing::new(len, slots)),
            _ => None,
        });
        let copies = copies.collect();
        // Last: the threads of clients and links stay free to run where there is room.
        if let Some(cores) = plan.cores {
            let id = cores[side.index()];
            if !core_affinity::set_for_current(core_affinity::CoreId { id }) {
                bail!("core {id} cannot be used: choose others with --cores, or --cores none");
            }
        }
        let recorders = plan.lanes.iter().map(|_| Recorder::new());
        Ok(Self {
            side,
            meeting,
            floor: FloorEndpoint::default(),
            aeron,
            frames,
            iceoryx,
            copies,
            recorders: recorders.collect::<Result<_>>()?,
        })
    }

    fn run(mut self, plan: &Plan) -> Result<Outcome> {
        let mut lanes = vec![LaneOutcome::default(); plan.lanes.len()];
        for round in 0..plan.warmup_rounds + plan.rounds {
            let is_warmup = round < plan.warmup_rounds;
            for (index, (lane, outcome)) in plan.lanes.iter().zip(&mut lanes).enumerate() {
                self.turn(plan, index, lane, outcome, is_warmup)
                    .with_context(|| format!("round {round}, {lane:?}"))?;
            }
        }
        for (lane, recorder) in lanes.iter_mut().zip(&self.recorders) {
            lane.delays = recorder.counts();
        }
        // Nobody leaves while the other one still needs what is shared.
        self.meeting.meet()?;
        Ok(Outcome { lanes })
    }

    fn turn(
        &mut self,
        plan: &Plan,
        index: usize,
        lane: &Lane,
        outcome: &mut LaneOutcome,
        is_warmup: bool,
    ) -> Result<()> {
        let mut record = Record {
            lane: outcome,
            recorder: &mut self.recorders[index],
            is_warmup,
        };
        let (exercise, side, idle) = (lane.exercise, self.side, plan.idle);
        let meeting = &mut self.meeting;
        match lane.subject {
            Subject::Floor => {
                self.floor.begin();
                exercises::run(&mut self.floor, exercise, side, idle, meeting, &mut record)
            }
            Subject::Aeron { len } => {
                let aeron = self.aeron.as_mut().context("no raw Aeron")?;
                aeron.set_len(len);
                exercises::run(aeron, exercise, side, idle, meeting, &mut record)
            }
            Subject::Frames(frame_lane) => {
                let frames = self.frames.as_mut().context("no frames")?;
                frames.set_lane(frame_lane)?;
                frames.settle();
                let (lost, unannounced) = (frames.lost(), frames.unannounced());
                exercises::run(frames, exercise, side, idle, meeting, &mut record)?;
                if !is_warmup {
                    outcome.lost += frames.lost() - lost;
                    outcome.unannounced += frames.unannounced() - unannounced;
                }
                Ok(())
            }
            Subject::Iceoryx { len, touch } => {
                let iceoryx = self.iceoryx.as_mut().context("no iceoryx2")?;
                iceoryx.set_lane(len, touch);
                exercises::run(iceoryx, exercise, side, idle, meeting, &mut record)
            }
            Subject::Memcpy { .. } => {
                let Exercise::Copy { count } = exercise else {
                    bail!("memory is only copied");
                };
                meeting.meet()?;
                if let Some(ring) = &mut self.copies[index] {
                    let sample = ring.run(count);
                    if !is_warmup {
                        outcome.samples.push(sample);
                        outcome.messages += u64::from(count);
                    }
                }
                meeting.meet()
            }
        }
    }
}
