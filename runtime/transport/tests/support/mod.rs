//! Shared by the transport tests: a directory of their own, conditions with a deadline, child processes.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test binary uses a part of it"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tensorpool_codecs::types::NanoTime;
use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};
use tensorpool_transport::{
    Channel, Link, LinkConfig, Offer, Publication, PublicationOptions, Subscription,
};
use tensorpool_transport::{SubscriptionOptions, cnc::CncReader};

/// How long a condition may take before the test fails.
pub const WATCHDOG: Duration = Duration::from_secs(30);

/// Small terms: a test's logs stay under a megabyte.
pub const CHANNEL: &str = "aeron:ipc?term-length=64k";

/// A short name under /dev/shm that no other test has; removed with everything in it.
pub struct AeronDir(PathBuf);

impl AeronDir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(PathBuf::from(format!(
            "/dev/shm/tpt-{}-{unique}",
            std::process::id()
        )))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A media driver in this process.
    pub fn driver(&self) -> EmbeddedMediaDriver {
        EmbeddedMediaDriver::start(MediaDriverConfig::for_dir(&self.0)).unwrap()
    }

    /// A link to it.
    pub fn link(&self) -> Link {
        Link::new(LinkConfig::for_dir(&self.0)).unwrap()
    }
}

impl Drop for AeronDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            dump(&self.0);
        }
        let _ = std::fs::remove_dir_all(&self.0);
        // Left by a child that was killed before its start was over.
        let _ = std::fs::remove_file(self.0.with_extension("starting"));
    }
}

/// What a failing test leaves for whoever reads its output.
fn dump(dir: &Path) {
    let Ok(cnc) = CncReader::open(dir) else {
        return;
    };
    eprintln!(
        "driver pid {} heartbeat age {:?} ms",
        cnc.driver_pid(),
        cnc.heartbeat_age_ms()
    );
    for error in cnc.errors() {
        eprintln!("driver error x{}: {}", error.count, error.text);
    }
    for position in cnc.stream_positions() {
        eprintln!("{position:?}");
    }
}

pub fn now() -> NanoTime {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    NanoTime::new(1_000_000_000 + u64::try_from(elapsed.as_nanos()).unwrap())
}

pub fn realtime() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Drives the links until the condition holds. Panics, naming it, when it does not in time.
pub fn drive_until(links: &mut [&mut Link], what: &str, mut condition: impl FnMut() -> bool) {
    drive_until_with(links, what, |_| condition());
}

/// The same for a condition that looks at the links.
pub fn drive_until_with(
    links: &mut [&mut Link],
    what: &str,
    mut condition: impl FnMut(&mut [&mut Link]) -> bool,
) {
    let deadline = Instant::now() + WATCHDOG;
    while !condition(links) {
        let mut work_count = 0;
        for link in links.iter_mut() {
            work_count += link.do_work(now());
        }
        if Instant::now() > deadline {
            let states: Vec<_> = links
                .iter()
                .map(|link| (link.state().clone(), link.stats()))
                .collect();
            panic!("{what}: not within {WATCHDOG:?}; links {states:?}");
        }
        if work_count == 0 {
            std::thread::yield_now();
        }
    }
}

/// Waits for something that needs no driving.
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    drive_until(&mut [], what, condition);
}

/// Until its start is over: it beats, holds its lock, and has removed the file that marks a start.
pub fn wait_for_driver(dir: &AeronDir) {
    let starting = dir.path().with_extension("starting");
    wait_until("the media driver has started", || {
        dir.path().join("tensorpool-media-driver.lock").exists()
            && !starting.exists()
            && CncReader::open(dir.path()).is_ok_and(|cnc| cnc.heartbeat_age_ms().is_some())
    });
}

pub fn channel() -> Channel {
    CHANNEL.parse().unwrap()
}

pub fn publication(link: &mut Link, stream_id: i32) -> Publication {
    link.add_publication(&channel(), stream_id, PublicationOptions::default())
}

pub fn subscription(link: &mut Link, stream_id: i32) -> Subscription {
    link.add_subscription(&channel(), stream_id, SubscriptionOptions::default())
}

/// Offers until it is sent, driving the links meanwhile.
pub fn send(links: &mut [&mut Link], publication: &mut Publication, message: &[u8]) {
    drive_until(links, "send a message", || {
        publication.offer(message).is_sent()
    });
}

/// Polls until `count` messages have come.
pub fn receive(
    links: &mut [&mut Link],
    subscription: &mut Subscription,
    count: usize,
) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    drive_until(links, "receive messages", || {
        subscription.poll(16, |message, _| received.push(message.to_vec()));
        received.len() >= count
    });
    received
}

/// Every outcome an offer may have while nothing is wrong with the caller.
pub fn is_transient(offer: Offer) -> bool {
    matches!(
        offer,
        Offer::NotConnected | Offer::BackPressured | Offer::AdminAction | Offer::LinkDown
    )
}

const ROLE: &str = "TENSORPOOL_TRANSPORT_TEST_ROLE";
const ROLE_DIR: &str = "TENSORPOOL_TRANSPORT_TEST_DIR";

/// This test executable again, running one test as a child process in a role. Killed when dropped.
pub struct Role(pub Child);

impl Role {
    pub fn spawn(test: &str, role: &str, dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ROLE_DIR, dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn signal(&self, signal: i32) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// kill -9, and gone for good.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Which role this process has, if it is a child.
pub fn role() -> Option<(String, PathBuf)> {
    let role = std::env::var(ROLE).ok()?;
    Some((role, std::env::var_os(ROLE_DIR)?.into()))
}

/// Runs a media driver until this process is killed.
pub fn media_driver_role(dir: &Path) -> ! {
    let _driver = EmbeddedMediaDriver::start(MediaDriverConfig::for_dir(dir)).unwrap();
    loop {
        std::thread::park();
    }
}
