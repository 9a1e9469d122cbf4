//! Carries out what the link's core decides, on one thread: the only owner of Aeron's client.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tensorpool_codecs::types::NanoTime;
use tensorpool_runtime::counters::CounterSet;
use tensorpool_runtime::errors::DistinctErrorLog;

use crate::channel::Channel;
use crate::cnc::CncReader;
use crate::counters::{CounterPublisher, CounterResource};
use crate::native::client::{ClientDriver, ClientSettings, NativeClient};
use crate::native::error::fold;
use crate::native::subscription::ImageCounters;
use crate::publication::{Publication, PublicationOptions};
use crate::slot::{Held, Returned, Returns, Slot};
use crate::subscription::{Subscription, SubscriptionOptions};

use super::config::{LinkConfig, LinkError};
use super::core::{LinkAction, LinkCore, LinkState, WaitReason};
use super::event::{LinkEvent, LinkStats, ResourceId};
use super::reports::Reports;
use super::resources::{PublicationResource, SubscriptionResource};
use super::table::Table;
use super::watcher::{Watcher, realtime_ms};

/// A connection to the media driver of one directory.
///
/// Lives on one thread, the conductor's (it is neither `Send` nor `Sync`): there it drives Aeron's client in
/// invoker mode and creates and closes every publication and subscription. The handles it gives out may be
/// used and dropped on any thread.
///
/// Call [`Link::do_work`] in every duty cycle, at least every few milliseconds: Aeron closes a client that is
/// not driven for the media driver's client liveness timeout (the link then rebuilds it).
///
/// # Shutting down
/// [`Link::close`], or dropping it, closes what came back and the client. A handle that is still out keeps
/// the client's memory (its logs stay mapped) until it is dropped, on whatever thread; the media driver sees
/// the client go then, or when its liveness timeout has passed.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    settings: ClientSettings,
    core: LinkCore,
    watcher: Watcher,
    next_observation: NanoTime,
    driver: Option<ClientDriver>,
    retired: Vec<Arc<NativeClient>>,
    returns: Arc<Returns>,
    publications: Table<PublicationResource>,
    subscriptions: Table<SubscriptionResource>,
    counters: Table<CounterResource>,
    next_mirror: NanoTime,
    next_id: u64,
    reports: Reports,
    _not_send: PhantomData<*mut ()>,
}

/// What closing a link left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReport {
    /// Native handles that were still with an application thread; the client's memory goes with the last.
    pub handle_count: usize,
}

impl Link {
    /// A link that is not connected yet. The media driver need not exist.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(config: LinkConfig) -> Result<Self, LinkError> {
        config.validate()?;
        Ok(Self {
            settings: config.client_settings(),
            core: LinkCore::new(config.core()),
            watcher: Watcher::new(&config.dir),
            next_observation: NanoTime::new(0),
            driver: None,
            retired: Vec::new(),
            returns: Returns::new(),
            publications: Table::new(config.add_retry_ns),
            subscriptions: Table::new(config.add_retry_ns),
            counters: Table::new(config.add_retry_ns),
            next_mirror: NanoTime::new(0),
            next_id: 0,
            reports: Reports::new(),
            config,
            _not_send: PhantomData,
        })
    }

    /// One duty cycle; gives the amount of work done, 0 for none. `now` is the monotonic clock.
    ///
    /// Never waits, with one exception that takes a media driver to die between being seen alive and being
    /// connected to: Aeron then looks for a successor for up to [`LinkConfig::driver_timeout_ms`].
    pub fn do_work(&mut self, now: NanoTime) -> usize {
        self.reports.now = now;
        let mut work_count = self.take_returns();
        if now >= self.next_observation {
            self.next_observation = now.after_ns(self.config.observe_interval_ns);
            let observation = self.watcher.observe();
            self.core.on_observation(now, &observation);
        }
        work_count += self.drive_client(now);
        while let Some(action) = self.core.take_action() {
            match action {
                LinkAction::Connect => self.connect(now),
                LinkAction::Retire => self.retire(),
            }
            work_count += 1;
        }
        work_count += self.drive_resources(now);
        if now >= self.next_mirror {
            self.next_mirror = now.after_ns(self.config.counter_interval_ns);
            self.counters.resources().for_each(CounterResource::mirror);
        }
        work_count + self.let_go_of_retired()
    }

    /// Where the link is.
    #[must_use]
    pub fn state(&self) -> &LinkState {
        self.core.state()
    }

    /// Whether a client is connected.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.core.state() == LinkState::Up
    }

    /// Counts the clients that were connected; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.reports.stats.generation
    }

    /// The media driver's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.config.dir
    }

    /// The oldest event that was not taken yet.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.reports.pop_event()
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            retired_client_count: self.retired.len(),
            resource_count: self.publications.len()
                + self.subscriptions.len()
                + self.counters.len(),
            live_resource_count: self.publications.live_count()
                + self.subscriptions.live_count()
                + self.counters.live_count(),
            ..self.reports.stats.clone()
        }
    }

    /// An exclusive publication; returns at once, live in a later cycle, and again after every rebuild.
    pub fn add_publication(
        &mut self,
        channel: &Channel,
        stream_id: i32,
        options: PublicationOptions,
    ) -> Publication {
        let channel = if options.plain_channel {
            channel.clone()
        } else {
            channel.clone().with_untethered_timeouts()
        };
        let (id, slot) = (self.take_id(), Slot::new());
        self.publications.insert(
            id,
            PublicationResource::new(channel, stream_id, Arc::clone(&slot)),
        );
        Publication::new(Held::new(slot, Arc::clone(&self.returns), id), stream_id)
    }

    /// A subscription; returns at once, live in a later cycle, and again after every rebuild.
    pub fn add_subscription(
        &mut self,
        channel: &Channel,
        stream_id: i32,
        options: SubscriptionOptions,
    ) -> Subscription {
        let channel = if options.tether {
            channel.clone()
        } else {
            channel.clone().untethered()
        };
        let (id, slot, images) = (
            self.take_id(),
            Slot::new(),
            Arc::new(ImageCounters::default()),
        );
        let resource =
            SubscriptionResource::new(channel, stream_id, Arc::clone(&slot), Arc::clone(&images));
        self.subscriptions.insert(id, resource);
        Subscription::new(
            Held::new(slot, Arc::clone(&self.returns), id),
            stream_id,
            images,
        )
    }

    /// Why the media driver did not register a publication or subscription when it was last asked; `None`
    /// when it did, or has not answered yet.
    #[must_use]
    pub fn refusal(&self, id: ResourceId) -> Option<&str> {
        let publication = self.publications.refusal(id.0);
        publication.or_else(|| self.subscriptions.refusal(id.0))
    }

    /// Why this user may not open the logs of the media driver, if that is so: what Aeron refuses then it
    /// refuses without a reason. Looks at files; for when something was refused.
    #[must_use]
    pub fn denied_logs(&self) -> Option<String> {
        self.watcher.denied_logs()
    }

    /// What the media driver ran out of in the last `within` by its own error log, and how long ago that
    /// is. Maps a file; for when something went wrong.
    #[must_use]
    pub fn shortage(&self, within: Duration) -> Option<(String, Duration)> {
        let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let error = CncReader::open(self.dir()).ok()?.shortage(within_ms)?;
        let age_ms = realtime_ms().saturating_sub(error.last_ms);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        Some((fold(&error.text), age))
    }

    /// Publishes an agent's counters for as long as the publisher exists.
    pub fn publish_counters(&mut self, set: &CounterSet) -> CounterPublisher {
        let id = self.take_id();
        for counter in CounterResource::all_of(set) {
            self.counters.insert(id, counter);
        }
        CounterPublisher::new(id, set.entries().len(), Arc::clone(&self.returns))
    }

    /// The distinct errors of this link: of Aeron's client, refused resources, failed attempts to connect.
    #[must_use]
    pub fn errors(&self) -> &DistinctErrorLog {
        &self.reports.errors
    }

    /// Closes everything that is not with an application thread.
    pub fn close(mut self) -> CloseReport {
        self.shut_down()
    }

    fn shut_down(&mut self) -> CloseReport {
        self.core.on_close();
        self.publications.close(self.driver.as_mut());
        self.subscriptions.close(self.driver.as_mut());
        self.counters.close(self.driver.as_mut());
        for returned in self.returns.close() {
            self.take_back(returned);
        }
        let retired: usize = self
            .retired
            .drain(..)
            .map(|client| Arc::strong_count(&client) - 1)
            .sum();
        let current = self.driver.take().map_or(0, |driver| driver.handle_count());
        CloseReport {
            handle_count: retired + current,
        }
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn take_returns(&mut self) -> usize {
        let returned = self.returns.take();
        let work_count = returned.len();
        for returned in returned {
            self.take_back(returned);
        }
        work_count
    }

    /// A native handle of a retired client is only let go here; its client frees it.
    fn take_back(&mut self, returned: Returned) {
        match (returned, &mut self.driver) {
            (Returned::Publication(publication), Some(driver)) => {
                driver.close_publication(publication)
            }
            (Returned::Subscription(subscription), Some(driver)) => {
                driver.close_subscription(subscription)
            }
            (Returned::Publication(_) | Returned::Subscription(_), None) => {}
            (Returned::Spent(id), Some(driver)) => {
                let renewed = self
                    .publications
                    .renew(id, driver, PublicationResource::renewed);
                if let Some(event) = renewed {
                    self.reports.event(event);
                }
            }
            // The next client registers everything.
            (Returned::Spent(_), None) => {}
            (Returned::Dropped(id), driver) => {
                self.publications.remove(id, driver.as_mut());
                self.subscriptions.remove(id, driver.as_mut());
                self.counters.remove(id, driver.as_mut());
            }
        }
    }

    fn drive_client(&mut self, now: NanoTime) -> usize {
        let Some(driver) = &mut self.driver else {
            return 0;
        };
        let result = driver.do_work();
        while let Some(error) = driver.pop_error() {
            let reason = error.to_string();
            self.reports.event(LinkEvent::ClientError { reason });
        }
        match result {
            Ok(work_count) => work_count,
            Err(error) => {
                self.reports.error(error.to_string());
                if driver.is_closed() {
                    self.core.on_client_closed(now, error.message);
                }
                1
            }
        }
    }

    fn connect(&mut self, now: NanoTime) {
        let Some(file) = self.watcher.file() else {
            return;
        };
        // Aeron would wait for seconds, and then say that there is no driver. [TP-SEC-0130]
        if let Some(reason) = self.watcher.denied_use() {
            self.reports.stats.connect_failure_count += 1;
            self.reports.error(reason.clone());
            self.core.on_connect_failed(now, WaitReason::Denied(reason));
            return;
        }
        match ClientDriver::connect(&self.settings) {
            Ok(driver) => {
                self.driver = Some(driver);
                self.core.on_connected(file);
                self.reports.stats.generation += 1;
                // [TP-RT-1020]
                self.reports.event(LinkEvent::Up {
                    generation: self.reports.stats.generation,
                });
            }
            Err(error) => {
                self.reports.stats.connect_failure_count += 1;
                self.reports.error(error.to_string());
                let reason = WaitReason::ConnectFailed(error.to_string());
                self.core.on_connect_failed(now, reason);
            }
        }
    }

    fn retire(&mut self) {
        self.publications.on_link_down();
        self.subscriptions.on_link_down();
        self.counters.on_link_down();
        if let Some(driver) = self.driver.take() {
            self.retired.push(driver.retire());
        }
        if let LinkState::Lost(reason) = self.core.state() {
            self.reports.stats.lost_count += 1;
            let reason = reason.clone();
            self.reports.event(LinkEvent::Lost { reason });
        }
    }

    fn drive_resources(&mut self, now: NanoTime) -> usize {
        let Some(driver) = &mut self.driver else {
            return 0;
        };
        let reports = &mut self.reports;
        let mut on_event = |event| reports.event(event);
        self.publications.do_work(now, driver, &mut on_event)
            + self.subscriptions.do_work(now, driver, &mut on_event)
            + self.counters.do_work(now, driver, &mut on_event)
    }

    /// Frees retired clients whose handles have all come back.
    fn let_go_of_retired(&mut self) -> usize {
        let before = self.retired.len();
        self.retired.retain(|client| Arc::strong_count(client) > 1);
        before - self.retired.len()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if *self.core.state() != LinkState::Closed {
            self.shut_down();
        }
    }
}
