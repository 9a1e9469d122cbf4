//! Somebody else on the Aeron streams, message by message.

use std::time::Instant;

use tensorpool::codecs::wire::{ConsumerConfig, ConsumerHello, QosConsumer};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{
    Channel, Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

use super::support::{WAIT, World};

/// Publishes on the control and the QoS stream, and reads whatever it subscribes to.
pub(crate) struct Peer {
    link: Link,
    control: Publication,
    qos: Publication,
}

impl Peer {
    pub(crate) fn new(world: &World) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let config = world.client_config();
        let mut publication = |endpoint: &tensorpool::client::Endpoint| {
            let options = PublicationOptions::default();
            link.add_publication(&endpoint.channel, endpoint.stream_id, options)
        };
        let (control, qos) = (publication(&config.control), publication(&config.qos));
        Self { link, control, qos }
    }

    pub(crate) fn work(&mut self) {
        self.link.do_work(monotonic_ns());
    }

    /// A subscription that is there.
    pub(crate) fn subscribe(&mut self, id: i32, options: SubscriptionOptions) -> Subscription {
        let mut subscription = self.link.add_subscription(&Channel::ipc(), id, options);
        let started = Instant::now();
        while !subscription.is_live() {
            self.work();
            assert!(started.elapsed() < WAIT);
        }
        subscription
    }

    pub(crate) fn say_hello(&mut self, hello: &ConsumerHello<'_>) {
        let mut bytes = [0; 512];
        let len = hello.encode(&mut bytes).unwrap();
        say(&mut self.link, &mut self.control, &bytes[..len]);
    }

    pub(crate) fn say_config(&mut self, config: &ConsumerConfig<'_>) {
        let mut bytes = [0; 512];
        let len = config.encode(&mut bytes).unwrap();
        say(&mut self.link, &mut self.control, &bytes[..len]);
    }

    pub(crate) fn report(&mut self, qos: &QosConsumer) {
        let mut bytes = [0; 128];
        let len = qos.encode(&mut bytes).unwrap();
        say(&mut self.link, &mut self.qos, &bytes[..len]);
    }

    /// Takes what is there.
    pub(crate) fn receive(&mut self, subscription: &mut Subscription, into: &mut Vec<Vec<u8>>) {
        self.work();
        subscription.poll(256, |bytes, _| into.push(bytes.to_vec()));
    }

    /// Receives until `is_done` with all it has.
    pub(crate) fn receive_more(
        &mut self,
        subscription: &mut Subscription,
        into: &mut Vec<Vec<u8>>,
        is_done: impl Fn(&[Vec<u8>]) -> bool,
    ) {
        let started = Instant::now();
        while !is_done(into) {
            self.receive(subscription, into);
            assert!(started.elapsed() < WAIT, "{} messages", into.len());
        }
    }
}

fn say(link: &mut Link, publication: &mut Publication, bytes: &[u8]) {
    let started = Instant::now();
    while !publication.offer(bytes).is_sent() {
        link.do_work(monotonic_ns());
        assert!(started.elapsed() < WAIT);
    }
}
