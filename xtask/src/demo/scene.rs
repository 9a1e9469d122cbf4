//! Where the demo plays: one directory in shared memory, and the commands that use it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::Phase;
use super::processes::Spec;

/// The stream all take part in.
const STREAM: &str = "10000";

/// Size of a frame: a 640 x 512 image of 16 bits.
const FRAME: &str = "640KiB";

/// 16 slots of one frame each are 16 MiB (strides are powers of two); an epoch before and one after fit
/// the budget together.
const DRIVER_CONFIG: &str = r#"
[driver]
instance_id = "demo"

[shm]
base_dir = "@BASE@"
namespace = "demo"

[policies]
epoch_gc_keep = 1

[profiles.demo]
header_nslots = 16
payload_pools = [{ pool_id = 1, stride_bytes = 1048576 }]

[streams.demo]
stream_id = 10000
profile = "demo"
"#;

/// The demo's directory. Removed when dropped; [`Scene::remove`] also checks that it is gone.
pub(super) struct Scene {
    dir: TempDir,
}

impl Scene {
    pub(super) fn create() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("tp-demo-")
            .tempdir_in("/dev/shm")
            .context("cannot create a directory in /dev/shm")?;
        let scene = Self { dir };
        for each in [scene.pools(), scene.logs()] {
            fs::create_dir(&each).with_context(|| format!("cannot create {}", each.display()))?;
        }
        let config = DRIVER_CONFIG.replace("@BASE@", &scene.pools().to_string_lossy());
        fs::write(scene.config(), config).context("cannot write the driver's configuration")?;
        Ok(scene)
    }

    /// `agent-runner run media-driver`.
    pub(super) fn media_driver(&self, program: &Path) -> Spec {
        self.command(program, "media driver", &["run", "media-driver"])
    }

    /// `agent-runner run driver`.
    pub(super) fn driver(&self, program: &Path) -> Spec {
        let mut spec = self.command(program, "driver", &["run", "driver"]);
        spec.arguments
            .extend(["--config".to_owned(), self.config().display().to_string()]);
        spec
    }

    /// `agent-runner publish`, which waits for `consumers`.
    pub(super) fn publisher(&self, program: &Path, phase: &Phase, consumers: usize) -> Spec {
        let (name, wait) = (format!("producer, {}", phase.name), consumers.to_string());
        let pattern = [
            "publish",
            "--stream",
            STREAM,
            "--pattern",
            "interop",
            "--size",
            FRAME,
        ];
        let pace = [
            "--pace",
            phase.pace,
            "--duration",
            phase.duration,
            "--wait-consumers",
            &wait,
        ];
        let json = ["--attach-timeout", "20s", "--json"];
        self.command(
            program,
            &name,
            &[&pattern[..], &pace[..], &json[..]].concat(),
        )
    }

    /// `agent-runner subscribe`, which checks every byte.
    pub(super) fn subscriber(&self, program: &Path, phase: &Phase, number: usize) -> Spec {
        let name = format!("consumer {number}, {}", phase.name);
        let verify = ["subscribe", "--stream", STREAM, "--verify", "interop"];
        let json = ["--attach-timeout", "20s", "--json"];
        self.command(program, &name, &[&verify[..], &json[..]].concat())
    }

    /// Whether the media driver has made its control file.
    pub(super) fn aeron_is_up(&self) -> bool {
        fs::metadata(self.aeron().join("cnc.dat")).is_ok_and(|file| file.len() > 0)
    }

    /// Whether the driver has said that it can be attached to.
    pub(super) fn driver_is_ready(&self) -> bool {
        fs::read_to_string(self.logs().join("driver.out"))
            .is_ok_and(|said| said.contains("driver ready"))
    }

    /// What the pools take of /dev/shm, as allocated rather than as long as the files are.
    pub(super) fn pool_bytes(&self) -> Result<u64> {
        allocated_bytes(&self.pools())
    }

    /// Prints what every process wrote, to find out why one failed.
    pub(super) fn print_logs(&self) {
        let logs = fs::read_dir(self.logs()).into_iter().flatten().flatten();
        let mut logs: Vec<PathBuf> = logs.map(|log| log.path()).collect();
        logs.sort();
        for log in logs {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let name = log.file_name().unwrap_or_default().display();
            println!("\n-- {name}: the last of {} lines", lines.len());
            lines
                .iter()
                .skip(lines.len().saturating_sub(10))
                .for_each(|line| println!("{line}"));
        }
    }

    /// Removes everything, and checks that it is gone.
    pub(super) fn remove(self) -> Result<()> {
        let path = self.dir.path().to_owned();
        self.dir
            .close()
            .with_context(|| format!("cannot remove {}", path.display()))?;
        if path.exists() {
            bail!("{} was left behind", path.display());
        }
        Ok(())
    }

    /// A command on this scene's Aeron directory; the user's environment has no say.
    fn command(&self, program: &Path, name: &str, arguments: &[&str]) -> Spec {
        let aeron = self.aeron().display().to_string();
        let common = ["--no-env", "--aeron-dir", &aeron];
        let arguments = arguments
            .iter()
            .chain(&common)
            .map(|&each| each.to_owned())
            .collect();
        Spec {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            logs: self.logs(),
        }
    }

    fn aeron(&self) -> PathBuf {
        self.dir.path().join("aeron")
    }

    fn pools(&self) -> PathBuf {
        self.dir.path().join("pools")
    }

    fn logs(&self) -> PathBuf {
        self.dir.path().join("logs")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("driver.toml")
    }
}

/// Bytes of all files below `dir`. Files that vanish meanwhile count as nothing.
fn allocated_bytes(dir: &Path) -> Result<u64> {
    /// What `st_blocks` counts in.
    const BLOCK_BYTES: u64 = 512;
    let mut total = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => total += allocated_bytes(&entry.path())?,
            Ok(metadata) => total += metadata.blocks() * BLOCK_BYTES,
            Err(_) => {}
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scene_leaves_nothing_behind() {
        let scene = Scene::create().unwrap();
        let path = scene.dir.path().to_owned();
        fs::write(scene.logs().join("a.out"), "text").unwrap();
        scene.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn driver_configuration_names_the_scene() {
        let scene = Scene::create().unwrap();
        let config = fs::read_to_string(scene.config())
            .unwrap()
            .parse::<toml::Table>()
            .unwrap();
        assert_eq!(config["shm"]["base_dir"].as_str(), scene.pools().to_str());
    }

    #[test]
    fn sparse_file_counts_what_it_takes() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = fs::File::create(dir.path().join("pool")).unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(allocated_bytes(dir.path()).unwrap(), 0);
        fs::write(dir.path().join("header"), [1; 4096]).unwrap();
        assert_eq!(allocated_bytes(dir.path()).unwrap(), 4096);
    }
}
