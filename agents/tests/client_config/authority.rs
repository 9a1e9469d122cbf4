//! Somebody who answers hellos, and who tells of frames on streams of a consumer's own, byte by byte
//! as any peer would.

use std::sync::LazyLock;
use std::time::Instant;

use tensorpool::client::{Consumer, Endpoint, Event};
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::wire::{
    ConsumerConfig, ConsumerHello, FrameDescriptor, Mode, QosConsumer, Template,
};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{
    Channel, Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

use crate::support::{STREAM, WAIT, World};

/// What is asserted about a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) consumer_id: u32,
    pub(crate) supports_shm: bool,
    pub(crate) mode: Mode,
    pub(crate) max_rate_hz: u32,
    pub(crate) descriptor: (u32, String),
    pub(crate) control: (u32, String),
}

/// A stream of somebody's own, and how much of it is told.
struct Own {
    stream_id: u32,
    publication: Publication,
    /// One of so many.
    every: u64,
}

pub(crate) struct Authority {
    link: Link,
    control: Subscription,
    reports: Subscription,
    shared: Subscription,
    answers: Publication,
    own: Vec<Own>,
}

impl Authority {
    pub(crate) fn new(world: &World) -> Self {
        let config = world.client_config();
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let mut listen = |endpoint: &Endpoint| {
            let options = SubscriptionOptions::default();
            link.add_subscription(&endpoint.channel, endpoint.stream_id, options)
        };
        let control = listen(&config.control);
        let reports = listen(&config.qos);
        let shared = listen(&config.descriptor);
        let (channel, id) = (&config.control.channel, config.control.stream_id);
        let answers = link.add_publication(channel, id, PublicationOptions::default());
        let mut authority = Self {
            link,
            control,
            reports,
            shared,
            answers,
            own: Vec::new(),
        };
        let started = Instant::now();
        while !(authority.control.is_live()
            && authority.reports.is_live()
            && authority.shared.is_live()
            && authority.answers.is_live())
        {
            authority.work();
            assert!(started.elapsed() < WAIT);
        }
        authority
    }

    fn work(&mut self) {
        self.link.do_work(monotonic_ns());
    }

    /// Goes on until something is there, and looks at it.
    pub(crate) fn wait<T>(&mut self, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            self.work();
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < WAIT, "not in time");
        }
    }

    /// The next hello that is heard.
    pub(crate) fn hello(&mut self) -> Hello {
        self.wait(|authority| {
            let mut found = None;
            authority.control.poll(16, |bytes, _| {
                if is(bytes, Template::ConsumerHello) {
                    let hello = ConsumerHello::decode(bytes).unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    found = Some(Hello {
                        consumer_id: hello.consumer_id,
                        supports_shm: hello.supports_shm,
                        mode: hello.mode,
                        max_rate_hz: hello.max_rate_hz,
                        descriptor: (hello.descriptor_stream_id, text(hello.descriptor_channel)),
                        control: (hello.control_stream_id, text(hello.control_channel)),
                    });
                }
            });
            found
        })
    }

    /// The mode of the next report that is heard.
    pub(crate) fn reported_mode(&mut self) -> Option<Mode> {
        self.wait(|authority| {
            let mut found = None;
            authority.reports.poll(16, |bytes, _| {
                if is(bytes, Template::QosConsumer) {
                    found = Some(QosConsumer::decode(bytes).unwrap().mode);
                }
            });
            found
        })
    }

    pub(crate) fn say(&mut self, config: &ConsumerConfig<'_>) {
        let mut bytes = [0; 4096];
        let len = config.encode(&mut bytes).unwrap();
        self.say_bytes(&bytes[..len]);
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.wait(|authority| authority.answers.offer(bytes).is_sent().then_some(()));
    }

    /// From now on [`Authority::repeat`] tells of one frame of `every` on this stream too.
    pub(crate) fn tell_on(&mut self, stream_id: u32, every: u64) {
        let channel = Channel::ipc().with_term_length(64 << 10).unwrap();
        let (id, options) = (stream_id.cast_signed(), PublicationOptions::default());
        let publication = self.link.add_publication(&channel, id, options);
        self.own.push(Own {
            stream_id,
            publication,
            every,
        });
    }

    /// Says something on a stream of [`Authority::tell_on`], once: there may be nobody who listens.
    pub(crate) fn offer_on(&mut self, stream_id: u32, bytes: &[u8]) {
        self.work();
        let own = self.own.iter_mut().find(|own| own.stream_id == stream_id);
        let _sent = own.unwrap().publication.offer(bytes);
    }

    pub(crate) fn close(&mut self, stream_id: u32) {
        self.own.retain(|own| own.stream_id != stream_id);
        self.work();
    }

    /// Tells on the own streams what was told on the shared one.
    pub(crate) fn repeat(&mut self) {
        self.work();
        let own = &mut self.own;
        self.shared.poll(64, |bytes, _| {
            let seq = FrameDescriptor::decode(bytes).unwrap().seq;
            for own in own.iter_mut().filter(|own| seq.is_multiple_of(own.every)) {
                // Nobody may be there yet.
                let _told = own.publication.offer(bytes);
            }
        });
    }
}

fn is(bytes: &[u8], template: Template) -> bool {
    gate(bytes).is_ok_and(|gated| gated.message == Message::Wire(template))
}

/// Declines everything.
pub(crate) fn config(consumer: &Consumer) -> ConsumerConfig<'static> {
    ConsumerConfig {
        stream_id: STREAM.get(),
        consumer_id: consumer.client_id().unwrap().get(),
        use_shm: true,
        mode: Mode::Stream,
        descriptor_stream_id: 0,
        control_stream_id: 0,
        payload_fallback_uri: b"",
        descriptor_channel: b"",
        control_channel: b"",
    }
}

/// A channel that producers of this library do not publish on because it is too long: what comes
/// there is what the authority repeats.
static UNHEARD: LazyLock<String> =
    LazyLock::new(|| format!("aeron:ipc?alias={}", "x".repeat(2_000)));

/// Assigns a stream on which no producer follows.
pub(crate) fn assigning(consumer: &Consumer, stream_id: u32) -> ConsumerConfig<'static> {
    ConsumerConfig {
        descriptor_stream_id: stream_id,
        descriptor_channel: UNHEARD.as_bytes(),
        ..config(consumer)
    }
}

/// Polls until one of the events is what is looked for; gives it.
pub(crate) fn wait_event<T>(
    consumer: &mut Consumer,
    mut look: impl FnMut(&Event) -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        consumer.poll(|_| {}, 16).unwrap();
        if let Some(found) = consumer.events().find_map(|event| look(&event)) {
            return found;
        }
        assert!(started.elapsed() < WAIT, "not told in time");
        std::thread::yield_now();
    }
}

/// The own descriptor stream a change of the config names.
pub(crate) fn changed(event: &Event) -> Option<Option<u32>> {
    match event {
        Event::ConfigChanged {
            descriptor_stream_id,
            ..
        } => Some(*descriptor_stream_id),
        _ => None,
    }
}
