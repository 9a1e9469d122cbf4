//! Somebody on the metadata stream who speaks in bytes.

use std::time::Instant;

use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::wire::{
    DataSourceAnnounce, DataSourceMeta, DataSourceMetaAttribute, DataSourceMetaView, Template,
};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{
    Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

use crate::support::{STREAM, WAIT, World};

pub(crate) struct Peer {
    link: Link,
    publication: Publication,
    subscription: Option<Subscription>,
}

impl Peer {
    /// One who speaks and listens.
    pub(crate) fn new(world: &World) -> Self {
        let mut peer = Self::speaker(world);
        let endpoint = world.client_config().metadata;
        let (channel, id) = (&endpoint.channel, endpoint.stream_id);
        let options = SubscriptionOptions::UNTETHERED;
        peer.subscription = Some(peer.link.add_subscription(channel, id, options));
        peer.wait(|peer| peer.ears().is_connected());
        peer
    }

    /// One who only speaks.
    pub(crate) fn speaker(world: &World) -> Self {
        let endpoint = world.client_config().metadata;
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let (channel, id) = (&endpoint.channel, endpoint.stream_id);
        let publication = link.add_publication(channel, id, PublicationOptions::default());
        let mut peer = Self {
            link,
            publication,
            subscription: None,
        };
        peer.wait(|peer| peer.publication.is_live());
        peer
    }

    fn ears(&mut self) -> &mut Subscription {
        self.subscription.as_mut().expect("one who listens")
    }

    /// Drives its link, and swallows what it hears, until something is so.
    pub(crate) fn wait(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            self.link.do_work(monotonic_ns());
            if let Some(subscription) = &mut self.subscription {
                subscription.poll(64, |_, _| {});
            }
            assert!(started.elapsed() < WAIT);
            std::thread::yield_now();
        }
    }

    /// Publications of the metadata stream that are not its own.
    pub(crate) fn other_publications(&mut self) -> usize {
        self.ears().image_count() - 1
    }

    /// Says it, to whoever is there.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.wait(|peer| peer.publication.offer(bytes).is_sent());
    }

    pub(crate) fn announce(&mut self, epoch: u64, meta_version: u32, name: &str) {
        let announce = DataSourceAnnounce {
            stream_id: STREAM.get(),
            producer_id: 77,
            epoch,
            meta_version,
            name: name.as_bytes(),
            summary: b"",
        };
        let mut bytes = [0; 256];
        let len = announce.encode(&mut bytes).unwrap();
        self.say(&bytes[..len]);
    }

    pub(crate) fn attribute(&mut self, meta_version: u32, key: &str, value: &str) {
        let bytes = attribute(STREAM.get(), meta_version, key, value);
        self.say(&bytes);
    }

    /// The next announces and attributes of others: what they are, version, epoch or count.
    pub(crate) fn hear(&mut self, count: usize) -> Vec<(&'static str, u32, u64)> {
        let (started, mut heard) = (Instant::now(), Vec::new());
        while heard.len() < count {
            self.link.do_work(monotonic_ns());
            self.ears().poll(64, |bytes, _| {
                match gate(bytes).map(|gated| gated.message) {
                    Ok(Message::Wire(Template::DataSourceAnnounce)) => {
                        let message = DataSourceAnnounce::decode(bytes).unwrap();
                        heard.push(("announce", message.meta_version, message.epoch));
                    }
                    Ok(Message::Wire(Template::DataSourceMeta)) => {
                        let message = DataSourceMetaView::decode(bytes).unwrap();
                        let count = message.attributes.len() as u64;
                        heard.push(("attributes", message.meta_version, count));
                    }
                    _ => {}
                }
            });
            assert!(started.elapsed() < WAIT, "{heard:?}");
        }
        heard
    }

    /// Whether somebody subscribes.
    pub(crate) fn is_heard(&mut self) -> bool {
        self.publication.is_connected()
    }
}

pub(crate) fn attribute(stream_id: u32, meta_version: u32, key: &str, value: &str) -> Vec<u8> {
    let attributes = [DataSourceMetaAttribute {
        key: key.as_bytes(),
        format: b"text/plain",
        value: value.as_bytes(),
    }];
    let meta = DataSourceMeta {
        stream_id,
        meta_version,
        timestamp_ns: 1,
        attributes: &attributes,
    };
    let mut bytes = vec![0; 256];
    let len = meta.encode(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}
