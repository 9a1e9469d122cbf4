//! The ways to measure, each the same code for every subject.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use tensorpool::runtime::IdleStrategy;
use tensorpool::runtime::clock::monotonic_ns;

use crate::figures::Quartiles;
use crate::meeting::Meeting;
use crate::plan::{Exercise, Idle, LaneOutcome, Side};

/// Messages per poll, as applications and agents use it.
const POLL_LIMIT: usize = 64;
/// Round trips between two looks at the clock. A batch is known by the median of these: the mean
/// would say how often the scheduler took the core away for the threads that wait their turn.
const TRIPS_PER_READING: u32 = 8;
/// Delays are told apart to 0.1 %; a minute is the longest.
const MAX_DELAY_NS: u64 = 60_000_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// One side of something that carries messages with a number.
pub(crate) trait Endpoint {
    /// Messages that may be under way without any being lost.
    fn window(&self) -> u64 {
        u64::MAX
    }

    /// Sends one message; false if there is no room for it now.
    fn try_send(&mut self, stamp: u64, meeting: &Meeting) -> Result<bool>;

    /// Takes up to `limit` messages that are there; gives their number.
    fn poll(
        &mut self,
        limit: usize,
        meeting: &Meeting,
        on_stamp: &mut impl FnMut(u64),
    ) -> Result<usize>;

    /// Messages all receivers have passed since the endpoint was made.
    fn passed(&self) -> u64;
}

/// What delays are recorded with.
pub(crate) struct Recorder {
    histogram: Histogram<u64>,
}

impl Recorder {
    pub(crate) fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, MAX_DELAY_NS, 3)?;
        Ok(Self { histogram })
    }

    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        let recorded = self.histogram.iter_recorded();
        recorded
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect()
    }

    #[inline]
    pub(crate) fn record(&mut self, delay_ns: u64) {
        self.histogram.saturating_record(delay_ns);
    }
}

/// Where an exercise puts what it measured; nothing is kept of a warm-up.
pub(crate) struct Record<'a> {
    pub(crate) lane: &'a mut LaneOutcome,
    pub(crate) recorder: &'a mut Recorder,
    pub(crate) is_warmup: bool,
}

impl Record<'_> {
    fn sample(&mut self, ns_per_message: f64) {
        if !self.is_warmup {
            self.lane.samples.push(ns_per_message);
        }
    }

    fn messages(&mut self, count: u32) {
        if !self.is_warmup {
            self.lane.messages += u64::from(count);
        }
    }
}

/// One turn of one lane, on either side.
pub(crate) fn run<E: Endpoint>(
    endpoint: &mut E,
    exercise: Exercise,
    side: Side,
    idle: Idle,
    meeting: &mut Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    if side == Side::Second {
        meeting.set_received(0);
    }
    meeting.meet()?;
    take_turn(endpoint, exercise, side, idle, meeting, record)?;
    // What was received is read before it is reset.
    meeting.meet()
}

fn take_turn<E: Endpoint>(
    endpoint: &mut E,
    exercise: Exercise,
    side: Side,
    idle: Idle,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    match (exercise, side) {
        (Exercise::PingPong { trips }, Side::First) => ping(endpoint, trips, meeting, record),
        (Exercise::PingPong { trips }, Side::Second) => pong(endpoint, trips, meeting, record),
        (Exercise::OpenLoop { rate_hz, count }, Side::First) => {
            send_at_rate(endpoint, rate_hz, count, meeting, record)
        }
        (Exercise::Burst { count }, Side::First) => send_burst(endpoint, count, meeting, record),
        (Exercise::Cost { batches, batch }, Side::First) => {
            send_batches(endpoint, batches, batch, meeting, record)
        }
        (Exercise::OpenLoop { count, .. }, Side::Second) => {
            receive(endpoint, count, true, idle, meeting, record)
        }
        (Exercise::Burst { count }, Side::Second) => {
            receive(endpoint, count, false, idle, meeting, record)
        }
        (Exercise::Cost { batches, batch }, Side::Second) => {
            receive(endpoint, batches * batch, false, idle, meeting, record)
        }
        (Exercise::Copy { .. }, _) => bail!("copies need no other process"),
    }
}

fn ping<E: Endpoint>(
    endpoint: &mut E,
    trips: u32,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    let mut groups = Vec::with_capacity(trips.div_ceil(TRIPS_PER_READING) as usize);
    let mut stamps = 1..=u64::from(trips);
    while !stamps.is_empty() {
        let started = monotonic_ns();
        let mut count = 0;
        for stamp in stamps.by_ref().take(TRIPS_PER_READING as usize) {
            send(endpoint, stamp, meeting)?;
            expect(endpoint, stamp, meeting)?;
            count += 1;
        }
        let elapsed_ns = monotonic_ns().get() - started.get();
        groups.push(elapsed_ns as f64 / f64::from(count) / 2.0);
    }
    let median = Quartiles::of(groups).context("no round trip")?.p50;
    record.sample(median);
    record.messages(trips);
    Ok(())
}

fn pong<E: Endpoint>(
    endpoint: &mut E,
    trips: u32,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    for stamp in 1..=u64::from(trips) {
        expect(endpoint, stamp, meeting)?;
        send(endpoint, stamp, meeting)?;
    }
    record.messages(trips);
    Ok(())
}

#[inline]
fn send<E: Endpoint>(endpoint: &mut E, stamp: u64, meeting: &Meeting) -> Result<()> {
    let mut patience = meeting.patience("room");
    while !endpoint.try_send(stamp, meeting)? {
        patience.spin()?;
    }
    Ok(())
}

/// Waits for the one message that is under way.
#[inline]
fn expect<E: Endpoint>(endpoint: &mut E, stamp: u64, meeting: &Meeting) -> Result<()> {
    let mut patience = meeting.patience("a message");
    let mut got = 0;
    while endpoint.poll(1, meeting, &mut |stamp| got = stamp)? == 0 {
        patience.spin()?;
    }
    if got != stamp {
        bail!("message {stamp} was expected, {got} came");
    }
    Ok(())
}

/// Keeps a sender within the window.
struct Window {
    size: u64,
    sent: u64,
    passed: u64,
}

impl Window {
    fn of<E: Endpoint>(endpoint: &E) -> Self {
        Self {
            size: endpoint.window(),
            sent: 0,
            passed: 0,
        }
    }

    #[inline]
    fn wait_room(&mut self, meeting: &Meeting) -> Result<()> {
        if self.sent - self.passed >= self.size {
            let mut patience = meeting.patience("the receiver");
            while self.sent - self.passed >= self.size {
                self.passed = meeting.received();
                patience.spin()?;
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Until everything is received.
    fn wait_all(&self, meeting: &Meeting, mut idle: impl FnMut()) -> Result<()> {
        let mut patience = meeting.patience("the receiver");
        while meeting.received() < self.sent {
            idle();
            patience.spin()?;
        }
        Ok(())
    }
}

fn send_burst<E: Endpoint>(
    endpoint: &mut E,
    count: u32,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    let mut window = Window::of(endpoint);
    let started = Instant::now();
    for stamp in 1..=u64::from(count) {
        window.wait_room(meeting)?;
        send(endpoint, stamp, meeting)?;
    }
    window.wait_all(meeting, || {})?;
    record.sample(started.elapsed().as_nanos() as f64 / f64::from(count));
    record.messages(count);
    Ok(())
}

/// A message that is late goes out at once, and still says when it was due.
fn send_at_rate<E: Endpoint>(
    endpoint: &mut E,
    rate_hz: u32,
    count: u32,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    let mut window = Window::of(endpoint);
    let period_ns = NANOS_PER_SECOND / u64::from(rate_hz.max(1));
    let first_ns = monotonic_ns().get() + period_ns;
    for index in 0..u64::from(count) {
        let due_ns = first_ns + index * period_ns;
        while monotonic_ns().get() < due_ns {}
        window.wait_room(meeting)?;
        send(endpoint, due_ns, meeting)?;
    }
    window.wait_all(meeting, || {})?;
    record.messages(count);
    Ok(())
}

fn send_batches<E: Endpoint>(
    endpoint: &mut E,
    batches: u32,
    batch: u32,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    let mut window = Window::of(endpoint);
    let mut cpu_ns = 0;
    for _ in 0..batches {
        let before_ns = thread_cpu_ns();
        for stamp in 1..=u64::from(batch) {
            window.wait_room(meeting)?;
            send(endpoint, stamp, meeting)?;
        }
        cpu_ns += thread_cpu_ns().saturating_sub(before_ns);
        window.wait_all(meeting, std::thread::yield_now)?;
    }
    record.sample(cpu_ns as f64 / f64::from(batches * batch));
    record.messages(batches * batch);
    Ok(())
}

/// Receives `count` messages on each receiver there is, and says how far it is.
fn receive<E: Endpoint>(
    endpoint: &mut E,
    count: u32,
    is_timed: bool,
    idle: Idle,
    meeting: &Meeting,
    record: &mut Record<'_>,
) -> Result<()> {
    let (start, total) = (endpoint.passed(), u64::from(count));
    let grain = (endpoint.window() / 8).clamp(1, 256);
    let mut idler = IdleStrategy::default().idler();
    let mut patience = meeting.patience("a message");
    let (mut passed, mut told) = (0, 0);
    let is_recorded = is_timed && !record.is_warmup;
    while passed < total {
        let recorder = &mut *record.recorder;
        let got = endpoint.poll(POLL_LIMIT, meeting, &mut |due_ns| {
            if is_recorded {
                recorder.record(monotonic_ns().get().saturating_sub(due_ns));
            }
        })?;
        if got == 0 {
            match idle {
                Idle::BusySpin => patience.spin()?,
                Idle::Backoff => {
                    idler.idle(0);
                    patience.look()?;
                }
            }
            continue;
        }
        idler.reset();
        patience.renew();
        passed = endpoint.passed() - start;
        // Backed-off receivers are asked for rarely, and may tell of each message.
        if passed - told >= grain || passed >= total || idle == Idle::Backoff {
            told = passed;
            meeting.set_received(told);
        }
    }
    record.messages(count);
    Ok(())
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
    seconds * NANOS_PER_SECOND + nanos
}
