//! The default configuration as a commented file.

use std::fmt::{self, Write as _};

use crate::formats::size::ByteSize;

use super::settings::{DriverSettings, Endpoint};
use super::supervisor::SupervisorSettings;

/// A TOML text that says what holds anyway, with a comment on each key. Reading it gives
/// [`DriverSettings::small`].
#[must_use]
pub fn default_config_text() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _infallible = write_all(&mut text, &DriverSettings::small());
    text
}

fn write_all(text: &mut String, settings: &DriverSettings) -> fmt::Result {
    text.push_str(
        "# Configuration of a tensorpool driver. Every value below is the default.\n\
         # Precedence: command line, environment, this file. The variable of a key is the key in\n\
         # upper case with underscores: DRIVER_CONTROL_STREAM_ID, SHM_BASE_DIR.\n\n",
    );
    write_driver(text, settings)?;
    write_shm(text, settings)?;
    write_policies(text, settings)?;
    write_profiles(text, settings)?;
    write_supervisor(text, &settings.supervisor)
}

fn write_driver(text: &mut String, settings: &DriverSettings) -> fmt::Result {
    let driver = &settings.driver;
    writeln!(text, "[driver]")?;
    writeln!(text, "# A name for logs and discovery.")?;
    writeln!(text, "instance_id = {:?}", driver.instance_id)?;
    writeln!(
        text,
        "# Directory of the media driver; empty means Aeron's own default."
    )?;
    writeln!(text, "aeron_dir = \"\"")?;
    writeln!(
        text,
        "# Attach, keepalive and detach. All parties must name the same term length."
    )?;
    write_endpoint(text, "control", &driver.control)?;
    writeln!(text, "# Announces of streams; may be the control stream.")?;
    write_endpoint(text, "announce", &driver.announce)?;
    writeln!(text, "# Reports of producers and consumers.")?;
    write_endpoint(text, "qos", &driver.qos)?;
    writeln!(
        text,
        "# Ids for streams that producers create (needs policies.allow_dynamic_streams),"
    )?;
    writeln!(
        text,
        "# and Aeron stream ids for streams of single consumers. \"a-b\", \"a,b\", [a, b] or"
    )?;
    writeln!(text, "# an array of such strings.")?;
    writeln!(text, "# stream_id_range = \"20000-29999\"")?;
    writeln!(text, "# descriptor_stream_id_range = \"31000-31999\"")?;
    writeln!(text, "# control_stream_id_range = \"32000-32999\"\n")
}

fn write_endpoint(text: &mut String, name: &str, endpoint: &Endpoint) -> fmt::Result {
    writeln!(text, "{name}_channel = {:?}", endpoint.channel)?;
    writeln!(text, "{name}_stream_id = {}", endpoint.stream_id)
}

fn write_shm(text: &mut String, settings: &DriverSettings) -> fmt::Result {
    let shm = &settings.shm;
    writeln!(text, "[shm]")?;
    writeln!(
        text,
        "# Where regions are created, and a name that keeps drivers there apart."
    )?;
    writeln!(text, "base_dir = {:?}", shm.base_dir)?;
    writeln!(text, "namespace = {:?}", shm.namespace)?;
    writeln!(text, "# Refuse to start unless base_dir is on hugetlbfs.")?;
    writeln!(text, "require_hugepages = {}", shm.require_hugepages)?;
    writeln!(
        text,
        "# Anything but 4096 must be the page size of base_dir's file system."
    )?;
    writeln!(text, "page_size_bytes = {}", shm.page_size_bytes)?;
    writeln!(text, "# Exact mode of region files, in octal.")?;
    writeln!(text, "permissions_mode = \"{:o}\"", shm.permissions_mode)?;
    writeln!(
        text,
        "# Directories clients that are given this file may map regions from; base_dir when absent."
    )?;
    // As a comment: it is to follow a base_dir that is changed.
    let mark = if shm.allowed_base_dirs == [shm.base_dir.clone()] {
        "# "
    } else {
        ""
    };
    let dirs = &shm.allowed_base_dirs;
    writeln!(text, "{mark}allowed_base_dirs = {dirs:?}\n")
}

fn write_policies(text: &mut String, settings: &DriverSettings) -> fmt::Result {
    let policies = &settings.policies;
    let token = &policies.shutdown_token;
    let entries: [(&str, &str, &dyn fmt::Display); 14] = [
        (
            "Create streams that producers ask for.",
            "allow_dynamic_streams",
            &policies.allow_dynamic_streams,
        ),
        (
            "Time between announces.",
            "announce_period_ms",
            &policies.announce_period_ms,
        ),
        (
            "A lease expires after this many keepalive intervals without one.",
            "lease_keepalive_interval_ms",
            &policies.lease_keepalive_interval_ms,
        ),
        (
            "",
            "lease_expiry_grace_intervals",
            &policies.lease_expiry_grace_intervals,
        ),
        (
            "Touch, and lock, every page before a region is used.",
            "prefault_shm",
            &policies.prefault_shm,
        ),
        ("", "mlock_shm", &policies.mlock_shm),
        (
            "Leave the files of earlier drivers as they are; remove our own at exit.",
            "reuse_existing_shm",
            &policies.reuse_existing_shm,
        ),
        ("", "cleanup_shm_on_exit", &policies.cleanup_shm_on_exit),
        (
            "Superseded epochs: keep this many, the live one included. (keep + 1) times the size of all\n\
             # streams must fit base_dir. They stay for epoch_gc_min_age_ns at least (0: 3 announce\n\
             # periods). At startup: what earlier drivers left.",
            "epoch_gc_enabled",
            &policies.epoch_gc_enabled,
        ),
        ("", "epoch_gc_keep", &policies.epoch_gc_keep),
        ("", "epoch_gc_min_age_ns", &policies.epoch_gc_min_age_ns),
        ("", "epoch_gc_on_startup", &policies.epoch_gc_on_startup),
        (
            "How long to drain at shutdown.",
            "shutdown_timeout_ms",
            &policies.shutdown_timeout_ms,
        ),
        (
            "How long a released node id is not given out again.",
            "node_id_reuse_cooldown_ms",
            &policies.node_id_reuse_cooldown_ms,
        ),
    ];
    writeln!(text, "[policies]")?;
    for (comment, key, value) in entries {
        if !comment.is_empty() {
            writeln!(text, "# {comment}")?;
        }
        writeln!(text, "{key} = {value}")?;
    }
    writeln!(
        text,
        "# What a shutdown request must carry; empty means that none is accepted."
    )?;
    writeln!(text, "shutdown_token = {token:?}")?;
    writeln!(
        text,
        "# Allow strides that are multiples of 64 but no powers of two."
    )?;
    let any_stride = policies.allow_non_power_of_two_strides;
    writeln!(text, "allow_non_power_of_two_strides = {any_stride}")?;
    writeln!(
        text,
        "# The profile of dynamic streams; must be named when there are several."
    )?;
    let profile = policies.default_profile.as_deref().unwrap_or_default();
    writeln!(text, "default_profile = {profile:?}\n")
}

fn write_profiles(text: &mut String, settings: &DriverSettings) -> fmt::Result {
    for (name, profile) in &settings.profiles {
        let size = ByteSize(profile.epoch_bytes());
        writeln!(
            text,
            "# The memory of a stream: a ring of header_nslots slots (a power of two) and pools with"
        )?;
        writeln!(
            text,
            "# as many places; a frame goes into the smallest pool it fits. This one takes {size}."
        )?;
        writeln!(text, "[profiles.{name}]")?;
        writeln!(text, "header_nslots = {}", profile.header_nslots)?;
        writeln!(text, "payload_pools = [")?;
        for pool in &profile.payload_pools {
            writeln!(
                text,
                "    {{ pool_id = {}, stride_bytes = {} }},",
                pool.pool_id, pool.stride_bytes
            )?;
        }
        writeln!(text, "]\n")?;
    }
    for (name, stream) in &settings.streams {
        writeln!(text, "# A stream that exists from the start.")?;
        writeln!(text, "[streams.{name}]")?;
        writeln!(text, "stream_id = {}", stream.stream_id)?;
        writeln!(text, "profile = {:?}", stream.profile)?;
    }
    Ok(())
}

/// As a comment: the table alone would bring a supervisor into being.
fn write_supervisor(text: &mut String, settings: &SupervisorSettings) -> fmt::Result {
    let mut table = String::new();
    writeln!(table, "[supervisor]")?;
    writeln!(
        table,
        "# Whether `run driver` brings it; false where it is a process of its own."
    )?;
    writeln!(table, "with_driver = true")?;
    writeln!(
        table,
        "# Where hellos are heard and answered; these and the next are [driver]'s unless set."
    )?;
    write_endpoint(&mut table, "control", &settings.control)?;
    write_endpoint(&mut table, "announce", &settings.announce)?;
    write_endpoint(&mut table, "qos", &settings.qos)?;
    write_endpoint(&mut table, "metadata", &settings.metadata)?;
    writeln!(
        table,
        "# Consumers followed at most; one that is silent so long is gone."
    )?;
    writeln!(table, "consumer_capacity = {}", settings.consumer_capacity)?;
    writeln!(table, "consumer_stale_ms = {}", settings.consumer_stale_ms)?;
    writeln!(
        table,
        "# Streams for single consumers that ask: `range` ids from `base`, 0 for those of [driver].\n\
         # An empty channel is the one a consumer asks for. Enabled when [driver] has ids for them."
    )?;
    writeln!(table, "per_consumer_enabled = false")?;
    for kind in ["descriptor", "control"] {
        writeln!(table, "per_consumer_{kind}_channel = \"\"")?;
        writeln!(table, "per_consumer_{kind}_base = 0")?;
        writeln!(table, "per_consumer_{kind}_range = 0")?;
    }
    writeln!(
        table,
        "# What all are told: no shared memory; mode 1 (STREAM) or 2 (RATE_LIMITED), 0 for theirs;\n\
         # where payloads come from without shared memory (\"aeron:...\" or \"bridge://...\")."
    )?;
    writeln!(table, "force_no_shm = {}", settings.force_no_shm)?;
    writeln!(table, "force_mode = {}", settings.force_mode)?;
    writeln!(
        table,
        "payload_fallback_uri = {:?}",
        settings.payload_fallback_uri
    )?;
    writeln!(
        text,
        "\n# Who tells consumers how they get their frames. With this table `run driver` does it too."
    )?;
    for line in table.lines() {
        writeln!(text, "# {line}")?;
    }
    Ok(())
}
