//! Cores of a client: attach and keepalive, epoch and mapping, consumer tracking, QoS pacing,
//! metadata.

mod attach;
mod attach_types;
mod backoff;
mod consumer_config;
mod consumer_streams;
mod consumer_streams_types;
mod consumers;
mod driverless;
mod mapping;
mod mapping_types;
mod messages;
pub mod metadata;
mod progress;
mod qos;
mod regions;
mod stall;

pub use attach::AttachClient;
pub use attach_types::{
    AttachConfig, AttachError, AttachEvent, AttachStats, CLIENT_ID_TAKEN, Grant, LossReason,
    ResponseError,
};
pub use backoff::{Backoff, SplitMix64};
pub use consumer_config::{
    ASSIGNMENT_KEEPS_NS, ConfigFollower, ConfigOutcome, ConfigStats, ConsumerSettings,
    ConsumerWishes, SILENT_STREAM_NS, is_fallback_uri,
};
pub use consumer_streams::{ConsumerStreams, ConsumerStreamsConfig, MAX_OWN_STREAMS};
pub use consumer_streams_types::{
    ConsumerStreamsStats, OwnStreamAction, OwnStreamId, OwnStreamKind, Pace, PaceGate,
};
pub use consumers::{CONSUMER_STALE_NS, ConsumerTracker, MAX_CONSUMERS};
pub use driverless::{
    ANNOUNCE_GAP_NS, AnnouncePath, Farewell, ProvideError, ProvideTicket, Provider, ProviderAction,
    Watcher,
};
pub use mapping::MappingCore;
pub use mapping_types::{
    Adoption, MapTicket, MappingAction, MappingConfig, MappingStats, SourceEnd,
};
pub use messages::{
    AeronEndpoint, Announce, AttachRequest, AttachResponse, ClockDomain, ConsumerConfig,
    ConsumerHello, ControlRequest, DetachRequest, DetachResponse, DriverShutdown, Keepalive,
    LeaseRevoked, OwnStream, ProgressHints,
};
pub use progress::{
    PROGRESS_CAPACITY, ProgressBook, ProgressDrop, ProgressDrops, ProgressError, ProgressFloors,
    ProgressLimits, ProgressMessage, ProgressPolicy, ProgressRead, ProgressReport, ProgressState,
    ProgressTracker, Report,
};
pub use qos::{CAUGHT_UP_PERIOD_NS, Cadence, ConsumerProgress, ConsumerReporter, REPORT_PERIOD_NS};
pub use regions::{RawPool, RawRegions, RegionSet, RegionsError};
pub use stall::{STALL_NS, StallChange, StallWatch};
