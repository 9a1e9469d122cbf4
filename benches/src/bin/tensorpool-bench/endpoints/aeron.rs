//! Raw Aeron IPC, through the transport everything else here uses.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::{Agent, AgentError, AgentRunner, RunnerConfig};
use tensorpool::transport::{
    Channel, Link, LinkConfig, Offer, Publication, PublicationOptions, Subscription,
    SubscriptionOptions,
};

use super::CONNECT_TIMEOUT;
use crate::exercises::Endpoint;
use crate::meeting::Meeting;
use crate::plan::{Plan, Side, Subject};

/// The stream each side sends on.
const STREAMS: [i32; 2] = [9001, 9002];
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const STAMP_LEN: usize = size_of::<u64>();

/// Both directions of raw Aeron, from one side.
pub(crate) struct AeronEndpoint {
    publication: Publication,
    subscription: Subscription,
    message: Vec<u8>,
    passed: u64,
    /// Its duty cycle keeps publication and subscription alive.
    runner: AgentRunner,
}

impl AeronEndpoint {
    /// Registers with the media driver. [`AeronEndpoint::connect`] waits for the other side.
    pub(crate) fn open(plan: &Plan, side: Side) -> Result<Self> {
        let config = LinkConfig {
            client_name: "bench-aeron".into(),
            ..LinkConfig::for_dir(&aeron_dir(&plan.dir))
        };
        let channel = Channel::ipc().with_term_length(plan.term_len)?;
        let lens = plan.lanes.iter().filter_map(|lane| match lane.subject {
            Subject::Aeron { len } => Some(len),
            _ => None,
        });
        let longest = lens.max().unwrap_or(0).max(STAMP_LEN);
        let (handles, made) = mpsc::channel();
        let runner = AgentRunner::spawn(RunnerConfig::new("bench-link"), move |_| {
            LinkAgent::new(config, &channel, side, &handles)
                .map_err(|error| AgentError::terminate("bench-link", error))
        });
        let runner = runner.context("cannot start the thread of the raw Aeron link")?;
        let (publication, subscription) = made
            .recv_timeout(CONNECT_TIMEOUT)
            .map_err(|_| anyhow!("the raw Aeron link did not start: {:?}", runner.errors()))?;
        Ok(Self {
            publication,
            subscription,
            message: vec![0; longest],
            passed: 0,
            runner,
        })
    }

    /// Waits until messages can go both ways.
    pub(crate) fn connect(&mut self) -> Result<()> {
        let started = Instant::now();
        while !(self.publication.is_connected() && self.subscription.is_connected()) {
            if started.elapsed() > CONNECT_TIMEOUT {
                bail!("raw Aeron did not connect: {:?}", self.runner.errors());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Messages of this length from now on.
    pub(crate) fn set_len(&mut self, len: usize) {
        self.message.truncate(len.max(STAMP_LEN));
        self.message.resize(len.max(STAMP_LEN), 0);
    }
}

impl Drop for AeronEndpoint {
    fn drop(&mut self) {
        // A link that is stuck is left to itself; the process is about to end.
        let _stuck = self.runner.close(CLOSE_TIMEOUT);
    }
}

impl Endpoint for AeronEndpoint {
    #[inline]
    fn try_send(&mut self, stamp: u64, _meeting: &Meeting) -> Result<bool> {
        self.message[..STAMP_LEN].copy_from_slice(&stamp.to_le_bytes());
        match self.publication.offer(&self.message) {
            Offer::Sent { .. } => Ok(true),
            Offer::BackPressured | Offer::AdminAction => Ok(false),
            refused => bail!("raw Aeron: {refused}"),
        }
    }

    #[inline]
    fn poll(
        &mut self,
        limit: usize,
        _meeting: &Meeting,
        on_stamp: &mut impl FnMut(u64),
    ) -> Result<usize> {
        let mut messages = 0;
        self.subscription.poll(limit, |message, _| {
            if let Some(stamp) = message.first_chunk() {
                on_stamp(u64::from_le_bytes(*stamp));
                messages += 1;
            }
        });
        self.passed += messages as u64;
        Ok(messages)
    }

    fn passed(&self) -> u64 {
        self.passed
    }
}

/// Where the coordinator's media driver lives.
pub(crate) fn aeron_dir(dir: &Path) -> std::path::PathBuf {
    dir.join("aeron")
}

/// A link on a thread of its own, as a client's conductor has it.
struct LinkAgent(Link);

impl LinkAgent {
    fn new(
        config: LinkConfig,
        channel: &Channel,
        side: Side,
        handles: &Sender<(Publication, Subscription)>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut link = Link::new(config)?;
        let (ours, theirs) = (STREAMS[side.index()], STREAMS[1 - side.index()]);
        let publication = link.add_publication(channel, ours, PublicationOptions::default());
        // Tethered: a burst waits for its receiver.
        let options = SubscriptionOptions::default();
        let subscription = link.add_subscription(channel, theirs, options);
        // Nobody waits any more: the process is ending.
        let _gone = handles.send((publication, subscription));
        Ok(Self(link))
    }
}

impl Agent for LinkAgent {
    fn name(&self) -> &str {
        "bench-link"
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        Ok(self.0.do_work(monotonic_ns()))
    }
}
