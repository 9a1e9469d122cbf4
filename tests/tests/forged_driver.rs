//! A driver that grants what must not be mapped, played byte for byte: each grant is refused with a message that names
//! what is wrong with it, and the process that was lied to ends by itself.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tensorpool::runtime::clock::monotonic_ns;
use tensorpool_codecs::driver::{
    ResponseCode, ShmAttachRequest, ShmAttachResponse, ShmAttachResponsePayloadPool,
};
use tensorpool_codecs::slot::SUPERBLOCK_MAGIC;
use tensorpool_codecs::wire::{RegionType, ShmRegionSuperblock};
use tensorpool_tests::{Process, Sandbox, StreamConfig};
use tensorpool_transport::{
    Channel, Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

const STREAM: u32 = 10_000;
const EPOCH: u64 = 77_000;
const SLOTS: u32 = 8;
const STRIDE: u32 = 4096;
/// From the first grant to the end of the process that refused it: three tries at mapping, and a detach nobody answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a grant names, and the files behind it.
struct Forgery {
    base: PathBuf,
    header: Superblock,
    pool: Superblock,
    header_path: String,
    pool_path: String,
}

/// A region file's superblock and length.
struct Superblock {
    fields: ShmRegionSuperblock,
    file_len: u64,
}

impl Forgery {
    /// Regions in which nothing is wrong yet, to be written by [`Forgery::write`].
    fn new(sandbox: &Sandbox) -> Self {
        let base = sandbox.base_dir();
        let superblock = |region_type, pool_id, slot_bytes, stride_bytes| Superblock {
            fields: ShmRegionSuperblock {
                magic: SUPERBLOCK_MAGIC,
                layout_version: 1,
                epoch: EPOCH,
                stream_id: STREAM,
                region_type,
                pool_id,
                nslots: SLOTS,
                slot_bytes,
                stride_bytes,
                pid: std::process::id().into(),
                start_timestamp_ns: monotonic_ns().get(),
                activity_timestamp_ns: monotonic_ns().get(),
            },
            file_len: 64 + u64::from(SLOTS) * u64::from(slot_bytes),
        };
        let path = |name: &str| base.join(name).display().to_string();
        Self {
            header: superblock(RegionType::HeaderRing, 0, 256, 0),
            pool: superblock(RegionType::PayloadPool, 1, STRIDE, STRIDE),
            header_path: path("header.ring"),
            pool_path: path("1.pool"),
            base,
        }
    }

    /// Writes the files where they belong, whatever the grant is going to say.
    fn write(&self) {
        write_region(&self.base.join("header.ring"), &self.header);
        write_region(&self.base.join("1.pool"), &self.pool);
    }

    fn response(&self, correlation_id: i64) -> Vec<u8> {
        let (header, pool) = (uri(&self.header_path), uri(&self.pool_path));
        let response = ShmAttachResponse {
            correlation_id,
            code: ResponseCode::Ok,
            lease_id: Some(5),
            lease_expiry_timestamp_ns: None,
            stream_id: Some(STREAM),
            epoch: Some(EPOCH),
            layout_version: Some(1),
            header_nslots: Some(SLOTS),
            header_slot_bytes: Some(256),
            node_id: None,
            payload_pools: &[ShmAttachResponsePayloadPool {
                pool_id: 1,
                pool_nslots: SLOTS,
                stride_bytes: STRIDE,
                region_uri: pool.as_bytes(),
            }],
            header_region_uri: header.as_bytes(),
            error_message: &[],
        };
        let mut bytes = vec![0; response.encoded_len().expect("a short message")];
        response.encode(&mut bytes).expect("it fits its length");
        bytes
    }
}

fn uri(path: &str) -> String {
    format!("shm:file?path={path}")
}

fn write_region(path: &Path, superblock: &Superblock) {
    let mut bytes = [0; ShmRegionSuperblock::ENCODED_LEN];
    superblock.fields.encode_into(&mut bytes);
    std::fs::write(path, bytes).expect("region file");
    let file = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("region file");
    file.set_len(superblock.file_len).expect("region length");
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

/// The driver's end of the control stream.
struct ForgedDriver {
    link: Link,
    responses: Publication,
    requests: Subscription,
}

impl ForgedDriver {
    fn start(sandbox: &Sandbox) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&sandbox.aeron_dir())).expect("a link");
        let channel: Channel = "aeron:ipc?term-length=64k".parse().expect("a channel");
        let responses = link.add_publication(&channel, 1000, PublicationOptions::default());
        let requests = link.add_subscription(&channel, 1000, SubscriptionOptions::default());
        let mut driver = Self {
            link,
            responses,
            requests,
        };
        let started = Instant::now();
        while !(driver.responses.is_live() && driver.requests.is_live()) {
            driver.link.do_work(monotonic_ns());
            assert!(started.elapsed() < PATIENCE, "no link to the media driver");
            std::thread::yield_now();
        }
        driver
    }

    /// Grants the forgery to whoever asks, until `is_enough`. Gives whether somebody asked.
    fn grant(&mut self, forgery: &Forgery, mut is_enough: impl FnMut() -> bool) -> bool {
        let (started, mut waiting, mut asked) = (Instant::now(), Vec::new(), false);
        while !is_enough() {
            self.link.do_work(monotonic_ns());
            self.requests.poll(16, |bytes, _| {
                if let Ok(request) = ShmAttachRequest::decode(bytes) {
                    waiting.push(request.correlation_id);
                }
            });
            while let Some(&correlation_id) = waiting.last() {
                if !self
                    .responses
                    .offer(&forgery.response(correlation_id))
                    .is_sent()
                {
                    break;
                }
                waiting.pop();
                asked = true;
            }
            assert!(started.elapsed() < PATIENCE, "still running");
            std::thread::yield_now();
        }
        asked
    }
}

/// A sandbox with a media driver, and nobody but us on its control stream.
struct Scene {
    sandbox: Sandbox,
    _media_driver: Process,
    driver: ForgedDriver,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let media_driver = sandbox.media_driver();
        let driver = ForgedDriver::start(&sandbox);
        Self {
            sandbox,
            _media_driver: media_driver,
            driver,
        }
    }

    fn client(&self, role: &str) -> Process {
        let config = self
            .sandbox
            .config(&[StreamConfig::one_pool(SLOTS, STRIDE)]);
        let config = config.to_str().expect("utf-8");
        let args = match role {
            "publish" => &["publish", "--pattern", "seq", "--size", "64"][..],
            _ => &["subscribe"],
        };
        let common = ["--json", "--no-env", "--config", config];
        self.sandbox.spawn(role, args.iter().chain(&common))
    }

    /// A subscriber and a publisher are granted this; both refuse it, and say all of `parts`.
    #[track_caller]
    fn is_refused(&mut self, forgery: &Forgery, parts: &[&str]) {
        for role in ["subscribe", "publish"] {
            let mut client = self.client(role);
            let asked = self.driver.grant(forgery, || !client.is_running());
            let said = client.expect_failure();
            assert!(asked, "it ended before it asked for anything\n{said}");
            for part in parts {
                assert!(said.contains(part), "expected {part:?} in:\n{said}");
            }
        }
    }
}

#[test]
fn what_a_real_driver_would_have_granted_is_accepted() {
    let mut scene = Scene::new();
    let forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    for role in ["subscribe", "publish"] {
        let mut client = scene.client(role);
        let is_attached = || !client.events("attached").is_empty();
        assert!(scene.driver.grant(&forgery, is_attached));
        client.kill9();
    }
}

#[test]
fn relative_region_paths_are_refused() {
    let mut scene = Scene::new();
    let mut forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    forgery.header_path = "header.ring".into();
    scene.is_refused(&forgery, &["header ring", "absolute", "\"header.ring\""]);
}

#[test]
fn files_outside_of_the_allowed_directories_are_refused() {
    let mut scene = Scene::new();
    let mut forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    forgery.pool_path = "/etc/passwd".into();
    let base = scene.sandbox.base_dir().display().to_string();
    scene.is_refused(
        &forgery,
        &[
            "pool 1",
            "/etc/passwd",
            "outside of the allowed base",
            &base,
        ],
    );
}

#[test]
fn a_directory_whose_name_only_begins_like_an_allowed_one_is_refused() {
    let mut scene = Scene::new();
    let mut forgery = Forgery::new(&scene.sandbox);
    let sibling = scene.sandbox.path().join("s-evil");
    std::fs::create_dir(&sibling).expect("sibling");
    forgery.write();
    write_region(&sibling.join("header.ring"), &forgery.header);
    forgery.header_path = sibling.join("header.ring").display().to_string();
    scene.is_refused(
        &forgery,
        &["header ring", "s-evil", "outside of the allowed base"],
    );
}

#[test]
fn paths_that_climb_are_refused() {
    let mut scene = Scene::new();
    let mut forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    let base = forgery.base.display().to_string();
    forgery.header_path = format!("{base}/../s/header.ring");
    scene.is_refused(&forgery, &["header ring", "must not contain", "/../s/"]);
}

#[test]
fn symbolic_links_are_refused_as_files_and_as_directories() {
    let mut scene = Scene::new();
    let mut forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    let base = forgery.base.clone();
    symlink(base.join("header.ring"), base.join("link.ring")).expect("link to a file");
    forgery.header_path = base.join("link.ring").display().to_string();
    scene.is_refused(
        &forgery,
        &["header ring", "link.ring contains a symbolic link"],
    );

    let mut forgery = Forgery::new(&scene.sandbox);
    std::fs::create_dir(base.join("real")).expect("directory");
    write_region(&base.join("real/1.pool"), &forgery.pool);
    symlink(base.join("real"), base.join("alias")).expect("link to a directory");
    forgery.pool_path = base.join("alias/1.pool").display().to_string();
    scene.is_refused(
        &forgery,
        &["pool 1", "alias/1.pool contains a symbolic link"],
    );
}

#[test]
fn a_fifo_is_refused_and_nobody_waits_for_its_other_end() {
    let mut scene = Scene::new();
    let mut forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    let fifo = forgery.base.join("fifo.ring");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).expect("a fifo");
    forgery.header_path = fifo.display().to_string();
    scene.is_refused(
        &forgery,
        &["header ring", "fifo.ring is not a regular file"],
    );
}

#[test]
fn regions_shorter_or_longer_than_announced_are_refused() {
    let mut scene = Scene::new();
    for file_len in [64, 64 + u64::from(SLOTS) * u64::from(STRIDE) - 1, 1 << 20] {
        let mut forgery = Forgery::new(&scene.sandbox);
        forgery.pool.file_len = file_len;
        forgery.write();
        let found = format!("is {file_len} bytes long, expected 32832");
        scene.is_refused(&forgery, &["pool 1", &found]);
    }
}

#[test]
fn files_that_other_users_may_read_are_refused() {
    let mut scene = Scene::new();
    let forgery = Forgery::new(&scene.sandbox);
    forgery.write();
    set_mode(&forgery.base.join("header.ring"), 0o644);
    scene.is_refused(&forgery, &["header ring", "has mode 0644"]);
}

#[test]
fn superblocks_that_say_something_else_than_the_grant_are_refused() {
    let mut scene = Scene::new();
    let mut refuse = |change: fn(&mut Forgery), parts: &[&str]| {
        let mut forgery = Forgery::new(&scene.sandbox);
        change(&mut forgery);
        forgery.write();
        scene.is_refused(&forgery, parts);
    };
    refuse(
        |forgery| forgery.header.fields.magic ^= 1,
        &["header ring", "magic is", "not a tensor pool region"],
    );
    refuse(
        |forgery| forgery.pool.fields.epoch = EPOCH - 1,
        &["pool 1", "superblock epoch is 76999, expected 77000"],
    );
    refuse(
        |forgery| forgery.header.fields.stream_id = 9,
        &["header ring", "superblock stream id is 9, expected 10000"],
    );
    refuse(
        |forgery| forgery.header.fields.layout_version = 2,
        &["header ring", "layout version is 2, expected 1"],
    );
    refuse(
        |forgery| forgery.pool.fields.stride_bytes = 64,
        &["pool 1", "superblock stride is 64 bytes, expected 4096"],
    );
}
