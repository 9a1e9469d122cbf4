//! Somebody on the Aeron streams who says and hears bytes.

use std::time::Instant;

use tensorpool::client::Endpoint;
use tensorpool::codecs::driver::{
    LeaseRevokeReason, Role, ShmLeaseRevoked, Template as DriverTemplate,
};
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::wire::{ConsumerHello, Template};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{
    Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

use crate::support::{WAIT, World};

pub(crate) struct Raw {
    link: Link,
    pub(crate) control: (Publication, Subscription),
    pub(crate) announce: (Publication, Subscription),
    pub(crate) descriptor: (Publication, Subscription),
}

/// What is asserted about a hello.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello {
    pub(crate) stream_id: u32,
    pub(crate) consumer_id: u32,
    pub(crate) supports_shm: bool,
}

/// What is asserted about a good-bye.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    pub(crate) stream_id: u32,
    pub(crate) client_id: u32,
    pub(crate) role: Role,
    pub(crate) reason: LeaseRevokeReason,
}

impl Raw {
    /// Connected to all streams.
    pub(crate) fn new(world: &World) -> Self {
        let config = world.client_config();
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let mut both = |endpoint: &Endpoint| {
            let (channel, id) = (&endpoint.channel, endpoint.stream_id);
            let publication = link.add_publication(channel, id, PublicationOptions::default());
            let options = SubscriptionOptions::UNTETHERED;
            (publication, link.add_subscription(channel, id, options))
        };
        let (control, announce) = (both(&config.control), both(&config.announce));
        let descriptor = both(&config.descriptor);
        let mut raw = Self {
            link,
            control,
            announce,
            descriptor,
        };
        let started = Instant::now();
        while !(raw.control.1.is_live() && raw.announce.1.is_live() && raw.descriptor.1.is_live()) {
            raw.work();
            assert!(started.elapsed() < WAIT);
        }
        raw
    }

    pub(crate) fn work(&mut self) {
        self.link.do_work(monotonic_ns());
    }

    /// Says something on the control stream.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.drain();
        self.wait(|raw| raw.control.0.offer(bytes).is_sent().then_some(()));
    }

    /// Tells of a frame.
    pub(crate) fn describe(&mut self, bytes: &[u8]) {
        self.drain();
        self.wait(|raw| raw.descriptor.0.offer(bytes).is_sent().then_some(()));
    }

    /// Nobody is to be held up by what is not listened to.
    fn drain(&mut self) {
        for subscription in [&mut self.control.1, &mut self.descriptor.1] {
            while subscription.poll(64, |_, _| {}) > 0 {}
        }
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
            std::thread::yield_now();
        }
    }

    /// The next message of this kind on the control stream.
    pub(crate) fn hear<T>(&mut self, kind: Message, mut read: impl FnMut(&[u8]) -> Option<T>) -> T {
        self.wait(|raw| {
            let mut found = None;
            raw.control.1.poll(1, |bytes, _| {
                if gate(bytes).is_ok_and(|gated| gated.message == kind) {
                    found = read(bytes);
                }
            });
            found
        })
    }

    pub(crate) fn hello(&mut self) -> Hello {
        self.hear(Message::Wire(Template::ConsumerHello), |bytes| {
            let hello = ConsumerHello::decode(bytes).unwrap();
            Some(Hello {
                stream_id: hello.stream_id,
                consumer_id: hello.consumer_id,
                supports_shm: hello.supports_shm,
            })
        })
    }

    pub(crate) fn farewell(&mut self) -> Farewell {
        self.hear(Message::Driver(DriverTemplate::ShmLeaseRevoked), |bytes| {
            let revoked = ShmLeaseRevoked::decode(bytes).unwrap();
            Some(Farewell {
                stream_id: revoked.stream_id,
                client_id: revoked.client_id,
                role: revoked.role,
                reason: revoked.reason,
            })
        })
    }
}
