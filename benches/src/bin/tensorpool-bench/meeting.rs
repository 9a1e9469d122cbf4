//! Two processes that go in step, over words of shared memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tensorpool::shm::words::SharedWords;

use crate::plan::Side;

const FILE: &str = "words";
const COUNT: usize = 8;
/// How far each side has come.
const ARRIVED: [usize; 2] = [0, 1];
/// How many messages of the running exercise are received.
const RECEIVED: usize = 2;
/// Set when the other process, or the user, gave up.
const ABORTED: usize = 3;
/// What the floor is measured with: one word per direction.
const FLOOR: [usize; 2] = [4, 5];

/// How long anything may take that happens between two meetings. A machine that is busy otherwise
/// takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Spins between two looks at the clock and at whether anybody gave up.
const SPINS_PER_LOOK: u32 = 1 << 16;

/// The words, from the coordinator.
pub(crate) struct Stage(SharedWords);

impl Stage {
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let words = SharedWords::create(&dir.join(FILE), COUNT);
        Ok(Self(words.context("cannot create the shared words")?))
    }

    /// Ends all waiting.
    pub(crate) fn abort(&self) {
        self.0.store(ABORTED, 1);
    }
}

/// The words, from one of the two sides.
pub(crate) struct Meeting {
    words: SharedWords,
    side: Side,
    step: u64,
}

impl Meeting {
    pub(crate) fn join(dir: &Path, side: Side) -> Result<Self> {
        let words = SharedWords::open(&dir.join(FILE), COUNT);
        Ok(Self {
            words: words.context("cannot open the shared words")?,
            side,
            step: 0,
        })
    }

    /// Waits until the other side is here as well.
    pub(crate) fn meet(&mut self) -> Result<()> {
        self.meet_when(|| Ok(true))
    }

    /// Waits until both sides are ready, and asks this one again and again meanwhile.
    pub(crate) fn meet_when(&mut self, mut is_ready: impl FnMut() -> Result<bool>) -> Result<()> {
        self.step += 1;
        let other = ARRIVED[1 - self.side.index()];
        let mut patience = self.patience("the other process");
        let mut is_here = false;
        while !(is_here && self.words.load(other) >= self.step) {
            if is_ready()? && !is_here {
                is_here = true;
                self.words.store(ARRIVED[self.side.index()], self.step);
            }
            patience.spin()?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn received(&self) -> u64 {
        self.words.load(RECEIVED)
    }

    #[inline]
    pub(crate) fn set_received(&self, count: u64) {
        self.words.store(RECEIVED, count);
    }

    /// Stores what the other side waits for.
    #[inline]
    pub(crate) fn set_floor(&self, value: u64) {
        self.words.store(FLOOR[self.side.index()], value);
    }

    /// What the other side stored last.
    #[inline]
    pub(crate) fn floor(&self) -> u64 {
        self.words.load(FLOOR[1 - self.side.index()])
    }

    /// For a wait that ends in an error instead of never.
    pub(crate) fn patience(&self, what: &'static str) -> Patience<'_> {
        Patience {
            words: &self.words,
            what,
            spins: 0,
            since: None,
        }
    }
}

/// A wait that ends when somebody gave up, or after a minute.
pub(crate) struct Patience<'a> {
    words: &'a SharedWords,
    what: &'static str,
    spins: u32,
    /// When it was first looked at the clock.
    since: Option<Instant>,
}

impl Patience<'_> {
    /// To be called in each turn of a loop that waits. Tells the processor that it waits, as all
    /// busy-spinning idle strategies do.
    #[inline]
    pub(crate) fn spin(&mut self) -> Result<()> {
        std::hint::spin_loop();
        self.spins += 1;
        if self.spins < SPINS_PER_LOOK {
            return Ok(());
        }
        self.spins = 0;
        self.look()
    }

    /// The same for a loop that idles in between.
    #[cold]
    #[inline(never)]
    pub(crate) fn look(&mut self) -> Result<()> {
        if self.words.load(ABORTED) != 0 {
            bail!("given up");
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            bail!("waited {} s for {}", PATIENCE.as_secs(), self.what);
        }
        Ok(())
    }

    /// Something happened: the wait starts over.
    #[inline]
    pub(crate) fn renew(&mut self) {
        self.spins = 0;
        self.since = None;
    }
}
