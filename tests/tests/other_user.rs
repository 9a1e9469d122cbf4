//! Another user of the same host: without permission it is told who refuses what, in a shared group everything works.
//!
//! Needs root, as only root can become somebody else; anybody else's run says that it checked nothing.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tensorpool_tests::sandbox::agent_runner;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// `nobody` on most systems; nothing depends on the name.
const STRANGER: u32 = 65_534;
/// A group that only these tests use.
const GROUP: u32 = 64_123;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not checked: only root can become another user");
    }
    is_root
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

/// What a sandbox's directories are, and what its media driver takes away from new files.
struct Rights {
    mode: u32,
    group: u32,
    umask: &'static str,
}

/// A media driver and a driver of ours in a sandbox with these rights.
struct Scene {
    sandbox: Sandbox,
    _media_driver: Process,
    _driver: Option<Process>,
}

impl Scene {
    fn new(rights: &Rights) -> Self {
        Self::start(rights, true)
    }

    /// Without a driver of ours nobody has made any log.
    fn without_driver(rights: &Rights) -> Self {
        Self::start(rights, false)
    }

    fn start(rights: &Rights, has_driver: bool) -> Self {
        let sandbox = Sandbox::new();
        for dir in [sandbox.path(), &sandbox.base_dir()] {
            chown(dir, None, Some(rights.group)).expect("group");
            set_mode(dir, rights.mode);
        }
        let script = format!("umask {} && exec \"$@\"", rights.umask);
        let mut command = Command::new("sh");
        command
            .args(["-c", &script, "sh"])
            .arg(agent_runner())
            .args(["run", "media-driver", "--json"])
            .env("AERON_DIR", sandbox.aeron_dir())
            .current_dir(sandbox.path());
        let mut media_driver = Process::spawn("media-driver", command);
        media_driver.wait_event("ready");
        let driver = has_driver.then(|| {
            let config = sandbox.config(&[StreamConfig::one_pool(16, 4096)]);
            sandbox.driver(&config)
        });
        Self {
            sandbox,
            _media_driver: media_driver,
            _driver: driver,
        }
    }

    /// `agent-runner`, run by the stranger in this group.
    fn by_stranger(&self, group: u32, args: &[&str]) -> Process {
        // A copy it may execute: the build's own directory may be closed to it.
        let program = self.sandbox.path().join("agent-runner");
        if !program.exists() {
            std::fs::copy(agent_runner(), &program).expect("a copy of the program");
            set_mode(&program, 0o755);
        }
        let mut command = Command::new(&program);
        command
            .args(args)
            .env("AERON_DIR", self.sandbox.aeron_dir())
            .current_dir("/")
            .uid(STRANGER)
            .gid(group);
        Process::spawn(args[0], command)
    }

    fn base_dir(&self) -> String {
        self.sandbox.base_dir().display().to_string()
    }
}

#[track_caller]
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "expected {part:?} in:\n{said}");
    }
}

/// Proves [TP-SEC-0120].
#[test]
fn who_may_not_open_a_region_is_told_what_refuses_it_and_what_to_do() {
    if !is_root() {
        return;
    }
    // Everybody may talk to the drivers; the memory is for root's group.
    let scene = Scene::new(&Rights {
        mode: 0o755,
        group: 0,
        umask: "000",
    });
    let config = scene
        .sandbox
        .config(&[StreamConfig::one_pool(16, 4096)])
        .display()
        .to_string();
    let ways = [
        (&["subscribe"][..], "for reading"),
        (
            &["publish", "--pattern", "seq", "--size", "64"],
            "for writing",
        ),
    ];
    for (args, purpose) in ways {
        let args = [args, &["--json", "--no-env", "--config", &config]].concat();
        let said = scene.by_stranger(STRANGER, &args).expect_failure();
        let user_dir = format!("{}/tensorpool-", scene.base_dir());
        assert_says(
            &said,
            &[
                "header ring",
                &user_dir,
                purpose,
                "belongs to uid 0, gid 0 and has mode 0770",
                "refuses uid 65534 with groups [65534]",
                "share a group",
            ],
        );
    }
}

/// Proves [TP-SEC-0130].
#[test]
fn who_may_not_use_the_media_driver_is_told_what_refuses_it_and_what_to_do() {
    if !is_root() {
        return;
    }
    for (umask, what) in [
        ("022", "/a/cnc.dat belongs to uid 0, gid 0 and has mode 06"),
        ("077", "/a belongs to uid 0, gid 0 and has mode 0700"),
    ] {
        let scene = Scene::new(&Rights {
            mode: 0o755,
            group: 0,
            umask,
        });
        let args = ["subscribe", "--json", "--attach-timeout", "500ms"];
        let mut subscriber = scene.by_stranger(STRANGER, &args);
        let said = subscriber.expect_failure();
        let dir = scene.sandbox.aeron_dir().display().to_string();
        assert_says(
            &said,
            &[&dir, "may not be", what, "refuses uid 65534", "umask 007"],
        );
        assert!(!said.contains("run media-driver`"), "there is one\n{said}");
    }
}

/// Proves [TP-SEC-0132].
#[test]
fn who_may_use_the_media_driver_but_not_its_logs_is_told_what_refuses_it() {
    if !is_root() {
        return;
    }
    // Somebody opened the one file to all that everybody knows of.
    let scene = Scene::new(&Rights {
        mode: 0o755,
        group: 0,
        umask: "022",
    });
    let aeron_dir = scene.sandbox.aeron_dir();
    set_mode(&aeron_dir.join("cnc.dat"), 0o666);
    for args in [
        &["subscribe"][..],
        &["publish", "--pattern", "seq", "--size", "64"],
    ] {
        let args = [args, &["--json", "--attach-timeout", "2s"]].concat();
        let said = scene.by_stranger(STRANGER, &args).expect_failure();
        assert_says(
            &said,
            &[
                "may not be used",
                &format!("{}/publications/", aeron_dir.display()),
                "belongs to uid 0, gid 0 and has mode 06",
                "refuses uid 65534",
                "umask 007",
            ],
        );
    }
    // Without any log there is only their directory to go by.
    let alone = Scene::without_driver(&Rights {
        mode: 0o755,
        group: 0,
        umask: "022",
    });
    let aeron_dir = alone.sandbox.aeron_dir();
    set_mode(&aeron_dir.join("cnc.dat"), 0o666);
    let args = ["subscribe", "--json", "--attach-timeout", "2s"];
    let said = alone.by_stranger(STRANGER, &args).expect_failure();
    let dir = format!("{}/publications belongs to uid 0", aeron_dir.display());
    assert_says(&said, &[&dir, "has mode 0755", "umask 007"]);
}

/// Proves [TP-SEC-0240].
#[test]
fn users_who_share_the_group_of_the_directories_share_the_frames() {
    if !is_root() {
        return;
    }
    let scene = Scene::new(&Rights {
        mode: 0o2771,
        group: GROUP,
        umask: "007",
    });
    let config = scene
        .sandbox
        .config(&[StreamConfig::one_pool(16, 4096)])
        .display()
        .to_string();
    let common = ["--json", "--no-env", "--config", &config];
    let subscribe = ["subscribe", "--verify", "interop"];
    let publish = [
        "publish",
        "--pattern",
        "interop",
        "--size",
        "4000",
        "--count",
        "200",
        "--lossless",
        "--wait-consumers",
        "1",
    ];
    let (subscribe, publish) = (
        [&subscribe[..], &common].concat(),
        [&publish[..], &common].concat(),
    );
    // Reading what root writes, and writing what root reads.
    let mut reader = scene.by_stranger(GROUP, &subscribe);
    let mut writer = scene.sandbox.spawn("publish", &publish);
    writer.expect_success();
    reader.expect_success();
    let mut reader = scene.sandbox.spawn("subscribe", &subscribe);
    reader.wait_event("attached");
    let mut writer = scene.by_stranger(GROUP, &publish);
    writer.expect_success();
    reader.expect_success();
    let summary = reader.wait_event("summary");
    assert_eq!(
        (summary["frames"].as_u64(), summary["wrong"].as_u64()),
        (Some(200), Some(0)),
        "{summary}"
    );
}
