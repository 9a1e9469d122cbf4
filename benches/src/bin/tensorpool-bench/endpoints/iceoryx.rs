//! iceoryx2 publish-subscribe: another way to hand payloads over through shared memory. They are
//! copied in, as our `offer` does: a loan that is not initialized takes unsafe code.

use std::fmt::Display;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    CallbackProgression, Config, FileName, LogLevel, Node, NodeBuilder, NodeState,
    SemanticString as _, ServiceName, SignalHandlingMode, ipc, set_log_level,
};
use iceoryx2::service::port_factory::PortFactory as _;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::{CACHE_LINE, CONNECT_TIMEOUT};
use crate::exercises::Endpoint;
use crate::meeting::Meeting;
use crate::plan::{Plan, Side, Subject, Touch};

/// The service each side publishes.
const SERVICES: [&str; 2] = ["there", "back"];
/// Where POSIX shared memory lies, which cannot be chosen.
const SEGMENT_DIR: &str = "/dev/shm";
/// Payloads a subscriber may be behind.
const BUFFER: usize = 64;

/// Both directions, from one side. The header of each sample carries the stamp.
pub(crate) struct IceoryxEndpoint {
    publisher: Publisher<ipc::Service, [u8], u64>,
    subscriber: Subscriber<ipc::Service, [u8], u64>,
    services: [PortFactory<ipc::Service, [u8], u64>; 2],
    payload: Vec<u8>,
    len: usize,
    touch: Touch,
    passed: u64,
    /// Holds everything above in the system; goes last.
    _node: Node<ipc::Service>,
}

impl IceoryxEndpoint {
    /// Creates or opens both services. [`IceoryxEndpoint::connect`] waits for the other side.
    pub(crate) fn open(plan: &Plan, side: Side) -> Result<Self> {
        set_log_level(LogLevel::Error);
        let lens = plan.lanes.iter().filter_map(|lane| match lane.subject {
            Subject::Iceoryx { len, .. } => Some(len),
            _ => None,
        });
        let longest = lens.max().unwrap_or(0);
        let config = config(&plan.dir)?;
        let node = NodeBuilder::new()
            .config(&config)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()
            .map_err(|error| said("no node", error))?;
        let open = |name: &str| {
            let name = ServiceName::new(name).map_err(|error| said(name, error))?;
            let service = node
                .service_builder(&name)
                .publish_subscribe::<[u8]>()
                .user_header::<u64>()
                .max_publishers(1)
                .max_subscribers(1)
                .max_nodes(2)
                .history_size(0)
                .subscriber_max_buffer_size(BUFFER)
                .enable_safe_overflow(false);
            service
                .open_or_create()
                .map_err(|error| said("no service", error))
        };
        let services = [open(SERVICES[0])?, open(SERVICES[1])?];
        let (ours, theirs) = (&services[side.index()], &services[1 - side.index()]);
        let publisher = ours
            .publisher_builder()
            .initial_max_slice_len(longest)
            .create();
        let subscriber = theirs.subscriber_builder().buffer_size(BUFFER).create();
        Ok(Self {
            publisher: publisher.map_err(|error| said("no publisher", error))?,
            subscriber: subscriber.map_err(|error| said("no subscriber", error))?,
            services,
            payload: (0..longest).map(|index| index as u8).collect(),
            len: 0,
            touch: Touch::Header,
            passed: 0,
            _node: node,
        })
    }

    /// Waits until payloads can go both ways.
    pub(crate) fn connect(&mut self) -> Result<()> {
        let started = Instant::now();
        let is_whole = |service: &PortFactory<ipc::Service, [u8], u64>| {
            let there = service.dynamic_config();
            there.number_of_publishers() == 1 && there.number_of_subscribers() == 1
        };
        while !self.services.iter().all(is_whole) {
            if started.elapsed() > CONNECT_TIMEOUT {
                bail!("iceoryx2 did not connect");
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Payloads of this kind from now on.
    pub(crate) fn set_lane(&mut self, len: usize, touch: Touch) {
        (self.len, self.touch) = (len, touch);
    }
}

impl Endpoint for IceoryxEndpoint {
    fn window(&self) -> u64 {
        BUFFER as u64 / 2
    }

    #[inline]
    fn try_send(&mut self, stamp: u64, _meeting: &Meeting) -> Result<bool> {
        let loan = self.publisher.loan_slice_uninit(self.len);
        let loan = loan.map_err(|error| said("no loan", error))?;
        let mut sample = loan.write_from_slice(&self.payload[..self.len]);
        *sample.user_header_mut() = stamp;
        match sample.send() {
            Ok(1) => Ok(true),
            Ok(count) => bail!("iceoryx2: {count} subscribers got it"),
            Err(error) => Err(said("not sent", error)),
        }
    }

    #[inline]
    fn poll(
        &mut self,
        limit: usize,
        _meeting: &Meeting,
        on_stamp: &mut impl FnMut(u64),
    ) -> Result<usize> {
        let mut polled = 0;
        while polled < limit {
            let sample = self.subscriber.receive();
            let Some(sample) = sample.map_err(|error| said("not received", error))? else {
                break;
            };
            if self.touch == Touch::Lines {
                touch_lines(sample.payload());
            }
            on_stamp(*sample.user_header());
            polled += 1;
        }
        self.passed += polled as u64;
        Ok(polled)
    }

    fn passed(&self) -> u64 {
        self.passed
    }
}

/// One byte of each cache line.
#[inline]
fn touch_lines(payload: &[u8]) {
    let bytes = payload.iter().step_by(CACHE_LINE);
    black_box(bytes.fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
}

/// Files in the directory of the measurement, segments under its name: nobody else's iceoryx2 is met.
fn config(dir: &Path) -> Result<Config> {
    let prefix = prefix(dir)?;
    let prefix = FileName::new(prefix.as_bytes()).map_err(|error| anyhow!("{error:?}"))?;
    let root = dir.join("iceoryx2").to_string_lossy().into_owned();
    let root = iceoryx2::prelude::Path::new(root.as_bytes());
    let mut config = Config::default();
    config.global.prefix = prefix;
    config
        .global
        .set_root_path(&root.map_err(|error| anyhow!("{error:?}"))?);
    Ok(config)
}

/// Removes what processes that were killed left in /dev/shm.
pub(crate) fn remove_leftovers(dir: &Path) -> Result<()> {
    let remove = |state| {
        if let NodeState::Dead(node) = state
            && let Err(error) = node.try_remove_stale_resources()
        {
            eprintln!("warning: iceoryx2 left something in /dev/shm: {error}");
        }
        CallbackProgression::Continue
    };
    Node::<ipc::Service>::list(&config(dir)?, remove)
        .map_err(|error| said("its leftovers are not known", error))?;
    // One segment stays in any case, as other nodes might come.
    let prefix = prefix(dir)?;
    for entry in std::fs::read_dir(SEGMENT_DIR)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn prefix(dir: &Path) -> Result<String> {
    let name = dir.file_name().context("the directory has no name")?;
    Ok(format!("{}_", name.to_string_lossy()))
}

fn said(what: &str, error: impl Display) -> anyhow::Error {
    anyhow!("iceoryx2: {what}: {error}")
}
