//! Somebody else on the streams of a world: hears what is said there, and says what it likes.

use std::time::Instant;

use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::wire::{
    ConsumerHello, FrameProgress, FrameProgressState, Mode, QosProducer, Template,
};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{
    Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

use crate::support::{STREAM, WAIT, World};

pub(crate) struct Peer {
    link: Link,
    control: Publication,
    hears_control: Subscription,
    hears_reports: Subscription,
}

impl Peer {
    pub(crate) fn new(world: &World) -> Self {
        let config = world.client_config();
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let control = (&config.control.channel, config.control.stream_id);
        let publication = link.add_publication(control.0, control.1, PublicationOptions::default());
        let mut hear =
            |channel, id| link.add_subscription(channel, id, SubscriptionOptions::UNTETHERED);
        let hears_control = hear(control.0, control.1);
        let hears_reports = hear(&config.qos.channel, config.qos.stream_id);
        let mut peer = Self {
            link,
            control: publication,
            hears_control,
            hears_reports,
        };
        let started = Instant::now();
        while !peer.hears_control.is_live()
            || !peer.hears_reports.is_live()
            || !peer.control.is_live()
        {
            peer.link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
        peer
    }

    fn say(&mut self, bytes: &[u8]) {
        let started = Instant::now();
        while !self.control.offer(bytes).is_sent() {
            self.link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
    }

    /// Says that a frame has come so far.
    pub(crate) fn progress(&mut self, message: FrameProgress) {
        let mut bytes = [0; FrameProgress::ENCODED_LEN];
        message.encode_into(&mut bytes);
        self.say(&bytes);
    }

    /// Says it with a state that no version has.
    pub(crate) fn progress_in_state(&mut self, message: FrameProgress, state: u8) {
        let mut bytes = [0; FrameProgress::ENCODED_LEN];
        message.encode_into(&mut bytes);
        bytes[FrameProgress::ENCODED_LEN - 1] = state;
        self.say(&bytes);
    }

    /// Says that a consumer of the stream is there.
    pub(crate) fn hello(&mut self, id: u32, supports_progress: bool, hints: [Option<u32>; 3]) {
        let mut bytes = [0; 256];
        let hello = ConsumerHello {
            stream_id: STREAM.get(),
            consumer_id: id,
            supports_shm: true,
            supports_progress,
            mode: Mode::Stream,
            max_rate_hz: 0,
            expected_layout_version: 1,
            progress_interval_us: hints[0],
            progress_bytes_delta: hints[1],
            progress_major_delta_units: hints[2],
            descriptor_stream_id: 0,
            control_stream_id: 0,
            descriptor_channel: &[],
            control_channel: &[],
        };
        let len = hello.encode(&mut bytes).unwrap();
        self.say(&bytes[..len]);
    }

    /// Listens to one of its streams until `find` finds something.
    fn find<T>(
        &mut self,
        of_control: bool,
        mut find: impl FnMut(Template, &[u8]) -> Option<T>,
    ) -> T {
        let (started, mut found) = (Instant::now(), None);
        while found.is_none() {
            self.link.do_work(monotonic_ns());
            let subscription = if of_control {
                &mut self.hears_control
            } else {
                &mut self.hears_reports
            };
            // One message at a time: what comes after what was found is for the next search.
            subscription.poll(1, |bytes, _| {
                if let Ok(gated) = gate(bytes)
                    && let Message::Wire(template) = gated.message
                {
                    found = find(template, bytes);
                }
            });
            assert!(started.elapsed() < WAIT, "not heard in time");
        }
        found.unwrap()
    }

    /// The next message of progress of our stream: state, sequence number and bytes.
    pub(crate) fn next_progress(&mut self) -> (FrameProgressState, u64, u64) {
        self.find(true, |template, bytes| {
            let message = match template {
                Template::FrameProgress => FrameProgress::decode(bytes).unwrap(),
                _ => return None,
            };
            let FrameProgress {
                state,
                seq,
                payload_bytes_filled,
                ..
            } = message;
            (message.stream_id == STREAM.get()).then_some((state, seq, payload_bytes_filled))
        })
    }

    /// What the next hello says of progress.
    pub(crate) fn next_hello(&mut self) -> (bool, [Option<u32>; 3]) {
        self.find(true, |template, bytes| match template {
            Template::ConsumerHello => {
                let hello = ConsumerHello::decode(bytes).unwrap();
                let hints = [
                    hello.progress_interval_us,
                    hello.progress_bytes_delta,
                    hello.progress_major_delta_units,
                ];
                Some((hello.supports_progress, hints))
            }
            _ => None,
        })
    }

    /// The watermark of the next report of a producer.
    pub(crate) fn next_watermark(&mut self) -> Option<u32> {
        self.find(false, |template, bytes| match template {
            Template::QosProducer => Some(QosProducer::decode(bytes).unwrap().watermark),
            _ => None,
        })
    }
}
