//! Dynamic streams: which ids clients may ask for or are given, and when a stream that nobody holds
//! a lease on is given up (Driver Model v1.0 §4.3, §11).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tensorpool_codecs::types::{NanoTime, StreamId};

use super::attach::{Refusal, invalid, rejected};
use super::requests::AttachRequest;
use super::streams::Stream;
use super::table::{LeaseTable, Phase};
use crate::common::{EnumField, PublishMode, ResponseCode, StreamGeometry};

/// Stream ids from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamIdRange {
    /// The first id, above 0.
    pub first: StreamId,
    /// The last id, not below the first.
    pub last: StreamId,
}

impl StreamIdRange {
    /// Whether `id` is in the range.
    #[must_use]
    pub fn contains(self, id: StreamId) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

impl fmt::Display for StreamIdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Streams that come into being because a client asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicStreams {
    /// The ids they may have. None at all: every request for one is refused as INVALID_PARAMS.
    pub ranges: Vec<StreamIdRange>,
    /// The memory each of them has.
    pub geometry: Arc<StreamGeometry>,
    /// Most of them at a time.
    pub max_streams: usize,
}

/// Why ids for dynamic streams are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A range ends before it begins, or begins at 0.
    #[error("stream id range {0} is empty or contains 0; write it as first-last, above 0")]
    Empty(StreamIdRange),
    /// Two ranges share an id.
    #[error("stream id ranges {0} and {1} overlap; an id must be in one of them only")]
    Overlap(StreamIdRange, StreamIdRange),
    /// A configured stream has an id of a range.
    #[error(
        "stream {stream_id} is configured, and in the range {range} of dynamic streams as well"
    )]
    Configured {
        /// The stream.
        stream_id: StreamId,
        /// The range.
        range: StreamIdRange,
    },
}

impl DynamicStreams {
    /// [TP-DRV-1345]
    pub(super) fn check(
        &self,
        configured: impl Iterator<Item = StreamId>,
    ) -> Result<(), RangeError> {
        for (index, range) in self.ranges.iter().enumerate() {
            if range.first > range.last || range.first.get() == 0 {
                return Err(RangeError::Empty(*range));
            }
            let mut earlier = self.ranges[..index].iter();
            let shares =
                |other: &&StreamIdRange| range.first <= other.last && other.first <= range.last;
            if let Some(other) = earlier.find(shares) {
                return Err(RangeError::Overlap(*other, *range));
            }
        }
        for stream_id in configured {
            if let Some(&range) = self.ranges.iter().find(|range| range.contains(stream_id)) {
                return Err(RangeError::Configured { stream_id, range });
            }
        }
        Ok(())
    }

    /// The lowest id that `is_free`. Ids that are not free are bounded in number, so this is too.
    fn lowest(&self, is_free: impl Fn(StreamId) -> bool) -> Option<StreamId> {
        let mut ranges = self.ranges.clone();
        ranges.sort_unstable();
        let ids = ranges
            .iter()
            .flat_map(|range| range.first.get()..=range.last.get());
        ids.map(StreamId::new).find(|id| is_free(*id))
    }

    fn named(&self) -> String {
        let names: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}

/// Where an attach is to take place.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// On a stream that exists.
    Known(usize),
    /// On a dynamic stream with this id and memory that is created for it.
    New(StreamId, Arc<StreamGeometry>),
}

impl LeaseTable {
    /// The stream a request names, or may create.
    ///
    /// An id inside the configured ranges is granted as it is, 0 stands for the lowest free one
    /// ([TP-DRV-1510], [TP-DRV-1520]). Nothing is created for who only wants what exists
    /// ([TP-DRV-1530]).
    pub(super) fn judge_stream(&self, request: &AttachRequest) -> Result<Place, Refusal> {
        if let Some(index) = self.stream_index(request.stream_id) {
            return Ok(Place::Known(index));
        }
        let creates = request.publish_mode == EnumField::Known(PublishMode::ExistingOrCreate);
        // [TP-DRV-0170] [TP-DRV-1530]
        let Some(dynamic) = self.config.dynamic.as_ref().filter(|_| creates) else {
            return rejected("stream not provisioned");
        };
        // [TP-DRV-1535]
        if dynamic.ranges.is_empty() {
            return invalid("stream_id_range not configured");
        }
        // [TP-DRV-1540]
        let dynamic_count = self.streams.len() - self.config.streams.len();
        if dynamic_count >= dynamic.max_streams {
            return rejected("dynamic stream limit reached");
        }
        let wanted = request.stream_id;
        let new = |id| Ok(Place::New(id, dynamic.geometry.clone()));
        // [TP-DRV-1520] [TP-DRV-1522]
        if wanted.get() == 0 {
            return match dynamic.lowest(|id| self.stream_index(id).is_none()) {
                Some(id) => new(id),
                None => rejected("stream_id_range exhausted"),
            };
        }
        // [TP-DRV-1510]
        if dynamic.ranges.iter().any(|range| range.contains(wanted)) {
            return new(wanted);
        }
        // [TP-DRV-1525]
        let text = format!(
            "stream_id {wanted} is outside stream_id_range {}",
            dynamic.named()
        );
        Err((ResponseCode::Rejected, Cow::Owned(text)))
    }

    /// Adds a dynamic stream. There must be room for the order of its memory.
    pub(super) fn create_stream(&mut self, id: StreamId, geometry: Arc<StreamGeometry>) -> usize {
        let has_room = self.region.reserve(1);
        debug_assert!(has_room, "the caller looked");
        let index = self.streams.partition_point(|stream| stream.id < id);
        self.streams.insert(index, Stream::dynamic(id, geometry));
        self.stats.streams_created += 1;
        index
    }

    /// How long a dynamic stream stays without a lease: as long as a client that died would have
    /// held one. What never had memory need not stay at all.
    /// [TP-DRV-1560] [TP-DRV-1580]
    fn patience_ns(&self, index: usize) -> u64 {
        let stream = &self.streams[index];
        if stream.live.is_none() && stream.superseded.is_empty() {
            return 0;
        }
        self.config.lease_expiry_ns()
    }

    /// When an idle dynamic stream is given up.
    pub(super) fn gives_up_at(&self, index: usize) -> Option<NanoTime> {
        // [TP-DRV-1585]
        if self.link_lost || self.phase != Phase::Serving {
            return None;
        }
        let idle_since = self.streams[index].idle_since?;
        Some(idle_since.after_ns(self.patience_ns(index)))
    }

    /// Notes whether anybody holds or waits for anything of a dynamic stream.
    pub(super) fn note_idle(&mut self, index: usize) {
        let (now, stream) = (self.now, &mut self.streams[index]);
        // [TP-DRV-1570] [TP-DRV-1575]
        if !stream.is_dynamic || stream.is_in_use() {
            stream.idle_since = None;
            return;
        }
        stream.idle_since.get_or_insert(now);
        if let Some(time) = self.gives_up_at(index) {
            self.wake_at(time);
        }
    }

    /// A lost link keeps clients from coming back, so time without leases counts from its return.
    /// [TP-DRV-1585]
    pub(super) fn restart_patience(&mut self) {
        for index in 0..self.streams.len() {
            self.streams[index].idle_since = None;
            self.note_idle(index);
        }
    }

    /// Gives up dynamic streams nobody held a lease on for one lease time: announces end, the files
    /// of all epochs go, the id is free ([TP-DRV-1560], [TP-DRV-1570]). What the region worker has
    /// no room for is done next time.
    pub(super) fn give_up_idle_streams(&mut self) {
        for index in (0..self.streams.len()).rev() {
            self.note_idle(index);
            if self.gives_up_at(index).is_some_and(|time| time <= self.now) {
                self.give_up_stream(index);
            }
        }
    }

    fn give_up_stream(&mut self, index: usize) {
        let id = self.streams[index].id;
        self.streams[index].supersede_live(self.now, &mut self.stats.streams_live);
        if self.announces.withdraw(id) {
            self.stats.announces_withdrawn += 1;
        }
        while let Some(old) = self.streams[index].superseded.first().copied() {
            if !self.let_go(index, old.epoch) {
                return;
            }
        }
        self.streams.remove(index);
        self.region.release(1);
        self.stats.streams_given_up += 1;
    }
}
