//! One word per direction, each on cache lines of its own: nothing can be faster.

use anyhow::Result;

use crate::exercises::Endpoint;
use crate::meeting::Meeting;

/// The floor, from one side. A message under way at a time.
#[derive(Debug, Default)]
pub(crate) struct FloorEndpoint {
    sent: u64,
    seen: u64,
    /// What was seen when the turn began.
    start: u64,
}

impl FloorEndpoint {
    /// A turn begins: stamps count from 1.
    pub(crate) fn begin(&mut self) {
        self.start = self.seen;
    }
}

impl Endpoint for FloorEndpoint {
    fn window(&self) -> u64 {
        1
    }

    /// The words count over all turns: the last one's are never taken for new ones.
    #[inline]
    fn try_send(&mut self, _stamp: u64, meeting: &Meeting) -> Result<bool> {
        self.sent += 1;
        meeting.set_floor(self.sent);
        Ok(true)
    }

    #[inline]
    fn poll(
        &mut self,
        _limit: usize,
        meeting: &Meeting,
        on_stamp: &mut impl FnMut(u64),
    ) -> Result<usize> {
        let found = meeting.floor();
        if found == self.seen {
            return Ok(0);
        }
        self.seen = found;
        on_stamp(found - self.start);
        Ok(1)
    }

    fn passed(&self) -> u64 {
        self.seen
    }
}
