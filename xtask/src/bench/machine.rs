//! The machine that was measured on.

use std::fmt;
use std::fs;

use crate::shell::Cmd;

/// What moves figures from machine to machine.
#[derive(Debug)]
pub(super) struct Machine {
    processor: String,
    cores: usize,
    caches: String,
    is_virtual: bool,
    kernel: String,
    toolchain: String,
    /// Runnable processes, averaged over the minute before.
    load: String,
}

impl Machine {
    pub(super) fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
            let mut values = lines.filter(|(key, _)| key.trim() == name);
            values.next().map(|(_, value)| value.trim().to_owned())
        };
        let line = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let load = line("/proc/loadavg");
        Self {
            processor: field("model name").unwrap_or_else(|| "unknown processor".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            caches: caches(),
            is_virtual: field("flags").is_some_and(|flags| flags.contains("hypervisor")),
            kernel: line("/proc/sys/kernel/osrelease").trim().to_owned(),
            toolchain: Cmd::new("rustc")
                .arg("--version")
                .probe()
                .unwrap_or_default(),
            load: load.split_whitespace().next().unwrap_or("?").to_owned(),
        }
    }
}

/// The largest cache of the first core.
fn caches() -> String {
    let index = |number| {
        let dir = format!("/sys/devices/system/cpu/cpu0/cache/index{number}");
        let read = |name| fs::read_to_string(format!("{dir}/{name}")).ok();
        Some(format!(
            "L{} {}",
            read("level")?.trim(),
            read("size")?.trim()
        ))
    };
    let found: Vec<String> = (0..8).filter_map(index).collect();
    found.join(", ")
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_virtual { "virtual " } else { "" };
        write!(
            f,
            "{} {kind}cores of {} ({}), Linux {}, {}, load {} at the end",
            self.cores, self.processor, self.caches, self.kernel, self.toolchain, self.load
        )
    }
}
