//! A client that speaks bytes: what it hears is kept in order, nothing is decided.

use std::collections::VecDeque;
use std::time::Instant;

use tensorpool::driver::DriverConfig;
use tensorpool_codecs::driver::{
    HugepagesPolicy, LeaseRevokeReason, PublishMode, ResponseCode, Role, ShmAttachRequest,
    ShmAttachResponseView, ShmDetachRequest, ShmDetachResponse, ShmDriverShutdown,
    ShmDriverShutdownRequest, ShmLeaseKeepalive, ShmLeaseRevoked, ShutdownReason, Template,
};
use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::wire::{ShmPoolAnnounceView, Template as WireTemplate};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_transport::{
    Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

use super::fixture::WATCHDOG;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pool {
    pub(crate) id: u16,
    pub(crate) nslots: u32,
    pub(crate) stride: u32,
    pub(crate) uri: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) correlation_id: i64,
    pub(crate) code: ResponseCode,
    pub(crate) lease_id: Option<u64>,
    pub(crate) text: String,
    granted: Option<Granted>,
}

impl Answer {
    pub(crate) fn granted(self) -> Granted {
        assert_eq!(self.code, ResponseCode::Ok, "{}", self.text);
        self.granted.expect("all fields of a grant")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Granted {
    pub(crate) lease_id: u64,
    pub(crate) stream_id: u32,
    pub(crate) epoch: u64,
    pub(crate) layout_version: u32,
    pub(crate) header_nslots: u32,
    pub(crate) header_slot_bytes: u16,
    pub(crate) header_uri: String,
    pub(crate) pools: Vec<Pool>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Announced {
    pub(crate) stream_id: u32,
    pub(crate) epoch: u64,
    pub(crate) producer: u32,
    pub(crate) timestamp_ns: u64,
    pub(crate) header_uri: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revoked {
    pub(crate) lease_id: u64,
    pub(crate) client_id: u32,
    pub(crate) role: Role,
    pub(crate) reason: LeaseRevokeReason,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Attach(Answer),
    Detached { code: ResponseCode },
    Revoked(Revoked),
    Announce(Announced),
    Shutdown(ShutdownReason),
}

pub(crate) struct Client {
    publication: Publication,
    subscriptions: Vec<Subscription>,
    link: Link,
    correlation_id: i64,
    pub(crate) heard: VecDeque<Heard>,
}

impl Client {
    pub(crate) fn new(config: &DriverConfig) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&config.aeron_dir)).unwrap();
        let (control, announce) = (&config.control, &config.announce);
        let options = PublicationOptions::default();
        let publication = link.add_publication(&control.channel, control.stream_id, options);
        let subscribe = |endpoint: &tensorpool::driver::Endpoint, link: &mut Link| {
            let options = SubscriptionOptions::default();
            link.add_subscription(&endpoint.channel, endpoint.stream_id, options)
        };
        let mut subscriptions = vec![subscribe(control, &mut link)];
        if announce != control {
            subscriptions.push(subscribe(announce, &mut link));
        }
        let mut client = Self {
            publication,
            subscriptions,
            link,
            correlation_id: i64::from(std::process::id()) << 32,
            heard: VecDeque::new(),
        };
        client.wait_until("the client is connected", |client| {
            client.publication.is_connected()
                && client.subscriptions.iter_mut().all(Subscription::is_live)
        });
        client
    }

    /// Drives the client until the condition holds.
    pub(crate) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            if self.work() == 0 {
                std::thread::yield_now();
            }
            assert!(
                start.elapsed() < WATCHDOG,
                "{what}: not in time; heard {:?}",
                self.heard
            );
        }
    }

    fn work(&mut self) -> usize {
        let mut work_count = self.link.do_work(monotonic_ns());
        for subscription in &mut self.subscriptions {
            work_count += subscription.poll(64, |message, _| self.heard.extend(read(message)));
        }
        work_count
    }

    pub(crate) fn send(&mut self, message: &[u8]) {
        self.wait_until("a message is sent", |client| {
            client.publication.offer(message).is_sent()
        });
    }

    /// Asks for a lease and waits for the answer.
    pub(crate) fn attach(&mut self, client_id: u32, role: Role, stream_id: u32) -> Answer {
        self.attach_as(client_id, role, stream_id, PublishMode::RequireExisting)
    }

    /// Asks for a lease on a stream that may be created for it, and waits for the answer.
    pub(crate) fn create(&mut self, client_id: u32, role: Role, stream_id: u32) -> Answer {
        self.attach_as(client_id, role, stream_id, PublishMode::ExistingOrCreate)
    }

    fn attach_as(
        &mut self,
        client_id: u32,
        role: Role,
        stream_id: u32,
        mode: PublishMode,
    ) -> Answer {
        self.correlation_id += 1;
        let correlation_id = self.correlation_id;
        let mut message = [0; ShmAttachRequest::ENCODED_LEN];
        ShmAttachRequest {
            correlation_id,
            stream_id,
            client_id,
            role,
            expected_layout_version: 1,
            publish_mode: Some(mode),
            require_hugepages: Some(HugepagesPolicy::Unspecified),
            desired_node_id: None,
        }
        .encode_into(&mut message);
        self.send(&message);
        let mut answer = None;
        self.wait_until("the attach is answered", |client| {
            answer = client.heard.iter().find_map(|heard| match heard {
                Heard::Attach(answer) if answer.correlation_id == correlation_id => {
                    Some(answer.clone())
                }
                _ => None,
            });
            answer.is_some()
        });
        answer.unwrap()
    }

    pub(crate) fn detach(&mut self, granted: &Granted, client_id: u32, role: Role) {
        self.correlation_id += 1;
        let mut message = [0; ShmDetachRequest::ENCODED_LEN];
        ShmDetachRequest {
            correlation_id: self.correlation_id,
            lease_id: granted.lease_id,
            stream_id: granted.stream_id,
            client_id,
            role,
        }
        .encode_into(&mut message);
        self.send(&message);
    }

    pub(crate) fn request_shutdown(&mut self, token: &[u8]) {
        let request = ShmDriverShutdownRequest {
            correlation_id: 0,
            reason: ShutdownReason::Admin,
            token,
            error_message: b"",
        };
        let mut message = vec![0; request.encoded_len().unwrap()];
        request.encode(&mut message).unwrap();
        self.send(&message);
    }

    /// Says once that the client lives, if that can be said now.
    pub(crate) fn keepalive(&mut self, granted: &Granted, client_id: u32, role: Role) {
        let mut message = [0; ShmLeaseKeepalive::ENCODED_LEN];
        ShmLeaseKeepalive {
            lease_id: granted.lease_id,
            stream_id: granted.stream_id,
            client_id,
            role,
            client_timestamp_ns: monotonic_ns().get(),
        }
        .encode_into(&mut message);
        let _may_fail = self.publication.offer(&message);
    }

    /// The next announce not looked at yet for which `wanted` holds.
    pub(crate) fn wait_announce(&mut self, wanted: impl Fn(&Announced) -> bool) -> Announced {
        let mut found = None;
        self.wait_until("an announce", |client| {
            found = client.heard.iter().find_map(|heard| match heard {
                Heard::Announce(announced) if wanted(announced) => Some(announced.clone()),
                _ => None,
            });
            found.is_some()
        });
        found.unwrap()
    }

    pub(crate) fn wait_revoked(&mut self) -> Revoked {
        let mut found = None;
        self.wait_until("a revocation", |client| {
            found = client.heard.iter().find_map(|heard| match heard {
                Heard::Revoked(revoked) => Some(revoked.clone()),
                _ => None,
            });
            found.is_some()
        });
        found.unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(message: &[u8]) -> Option<Heard> {
    match gate(message).ok()?.message {
        Message::Driver(Template::ShmAttachResponse) => Some(Heard::Attach(read_attach(
            &ShmAttachResponseView::decode(message).unwrap(),
        ))),
        Message::Driver(Template::ShmDetachResponse) => {
            let response = ShmDetachResponse::decode(message).unwrap();
            Some(Heard::Detached {
                code: response.code,
            })
        }
        Message::Driver(Template::ShmLeaseRevoked) => {
            let notice = ShmLeaseRevoked::decode(message).unwrap();
            let (lease_id, client_id) = (notice.lease_id, notice.client_id);
            let (role, reason) = (notice.role, notice.reason);
            Some(Heard::Revoked(Revoked {
                lease_id,
                client_id,
                role,
                reason,
            }))
        }
        Message::Driver(Template::ShmDriverShutdown) => Some(Heard::Shutdown(
            ShmDriverShutdown::decode(message).unwrap().reason,
        )),
        Message::Wire(WireTemplate::ShmPoolAnnounce) => {
            let announce = ShmPoolAnnounceView::decode(message).unwrap();
            Some(Heard::Announce(Announced {
                stream_id: announce.stream_id,
                epoch: announce.epoch,
                producer: announce.producer_id,
                timestamp_ns: announce.announce_timestamp_ns,
                header_uri: text(announce.header_region_uri),
            }))
        }
        _ => None,
    }
}

fn read_attach(response: &ShmAttachResponseView<'_>) -> Answer {
    let pools = response.payload_pools.iter().map(|pool| Pool {
        id: pool.pool_id,
        nslots: pool.pool_nslots,
        stride: pool.stride_bytes,
        uri: text(pool.region_uri),
    });
    let pools = pools.collect();
    let granted = || {
        Some(Granted {
            lease_id: response.lease_id?,
            stream_id: response.stream_id?,
            epoch: response.epoch?,
            layout_version: response.layout_version?,
            header_nslots: response.header_nslots?,
            header_slot_bytes: response.header_slot_bytes?,
            header_uri: text(response.header_region_uri),
            pools,
        })
    };
    Answer {
        correlation_id: response.correlation_id,
        code: response.code,
        lease_id: response.lease_id,
        text: text(response.error_message),
        granted: granted(),
    }
}
