//! What settings must satisfy together.

use super::diagnostic::{Diagnostic, Severity};
use super::document::Document;
use super::range::IdRange;
use super::settings::{DEFAULT_STREAM_ID, DriverSettings};

/// Aeron stream ids that are well known beside those configured (descriptor and metadata).
const WELL_KNOWN_IDS: [(i32, &str); 2] = [(1100, "descriptor"), (1300, "metadata")];

const STREAM_RANGE: &str = "driver.stream_id_range";
const DESCRIPTOR_RANGE: &str = "driver.descriptor_stream_id_range";
const CONTROL_RANGE: &str = "driver.control_stream_id_range";

/// Notes everything that does not go together.
pub(super) fn check(document: &mut Document<'_>, settings: &DriverSettings) {
    check_endpoints(document, settings);
    check_ranges(document, settings);
    check_dynamic(document, settings);
    check_hazards(document, settings);
}

fn report(document: &mut Document<'_>, key: &str, diagnostic: Diagnostic, label: &str) {
    let diagnostic = match document.given(key) {
        Some(given) => given.about(diagnostic, label),
        None => diagnostic,
    };
    document.diagnostics.push(diagnostic);
}

fn check_endpoints(document: &mut Document<'_>, settings: &DriverSettings) {
    let driver = &settings.driver;
    for (name, other) in [("control", &driver.control), ("announce", &driver.announce)] {
        if *other == driver.qos {
            let id = driver.qos.stream_id;
            let error = Diagnostic::error(format!("qos and {name} use the same stream {id}"))
                .help("give driver.qos_stream_id an id of its own, such as 1200");
            report(document, "driver.qos_stream_id", error, "already taken");
        }
    }
}

/// A key that sets aside ids, with what it set aside.
struct Ranges<'a> {
    key: &'static str,
    ranges: &'a [IdRange],
    /// Whether they are ids of Aeron streams, which have 31 bits.
    are_aerons: bool,
}

impl Ranges<'_> {
    fn all(settings: &DriverSettings) -> [Ranges<'_>; 3] {
        let driver = &settings.driver;
        let of = |key, ranges, are_aerons| Ranges {
            key,
            ranges,
            are_aerons,
        };
        [
            of(STREAM_RANGE, &driver.stream_id_ranges, false),
            of(DESCRIPTOR_RANGE, &driver.descriptor_stream_id_ranges, true),
            of(CONTROL_RANGE, &driver.control_stream_id_ranges, true),
        ]
    }
}

/// No id may be set aside twice, nor one that has a use (Driver Model v1.0 §11).
fn check_ranges(document: &mut Document<'_>, settings: &DriverSettings) {
    let all = Ranges::all(settings);
    for (index, set) in all.iter().enumerate() {
        check_fixed_ids(document, settings, set);
        check_each_other(document, set.key, set.ranges);
        for earlier in &all[..index] {
            check_overlap(document, set, earlier);
        }
    }
}

fn check_fixed_ids(document: &mut Document<'_>, settings: &DriverSettings, set: &Ranges<'_>) {
    let (key, driver) = (set.key, &settings.driver);
    let mut fixed = vec![
        (driver.control.stream_id, "control"),
        (driver.announce.stream_id, "announce"),
        (driver.qos.stream_id, "qos"),
    ];
    fixed.extend(WELL_KNOWN_IDS);
    for range in set.ranges {
        if set.are_aerons && range.last > i32::MAX as u32 {
            let error = Diagnostic::error(format!("`{key}` exceeds Aeron's stream ids"));
            report(document, key, error, "the last id Aeron has is 2147483647");
        }
        let mut fixed = fixed.iter();
        if let Some((id, name)) = fixed.find(|(id, _)| range.contains(id.unsigned_abs())) {
            let error = Diagnostic::error(format!("`{key}` contains the {name} stream"));
            report(document, key, error, &format!("{range} contains {id}"));
        }
        let mut streams = settings.streams.iter();
        if let Some((name, stream)) = streams.find(|(_, one)| range.contains(one.stream_id)) {
            let id = stream.stream_id;
            let error = Diagnostic::error(format!("`{key}` contains the id of `streams.{name}`"))
                .help("a stream or a consumer would be given an id that is in use");
            report(document, key, error, &format!("{range} contains {id}"));
        }
    }
}

fn check_overlap(document: &mut Document<'_>, set: &Ranges<'_>, earlier: &Ranges<'_>) {
    for range in set.ranges {
        let mut others = earlier.ranges.iter();
        if let Some(other) = others.find(|other| range.overlaps(**other)) {
            let (key, taken) = (set.key, earlier.key);
            let error = Diagnostic::error(format!("`{key}` and `{taken}` overlap"));
            report(document, key, error, &format!("{range} overlaps {other}"));
        }
    }
}

fn check_each_other(document: &mut Document<'_>, key: &str, ranges: &[IdRange]) {
    for (index, range) in ranges.iter().enumerate() {
        if let Some(other) = ranges[..index].iter().find(|other| range.overlaps(**other)) {
            let error = Diagnostic::error(format!("ranges of `{key}` overlap each other"));
            report(document, key, error, &format!("{range} overlaps {other}"));
        }
    }
}

fn check_dynamic(document: &mut Document<'_>, settings: &DriverSettings) {
    if !settings.policies.allow_dynamic_streams {
        return;
    }
    let key = "policies.allow_dynamic_streams";
    if settings.driver.stream_id_ranges.is_empty() {
        // A driver that serves nothing at all is a mistake; one that refuses some requests is not.
        let severity = if settings.streams.is_empty() {
            Severity::Error
        } else {
            Severity::Warning
        };
        let title = "dynamic streams are allowed without ids for them";
        let diagnostic = Diagnostic::new(severity, title).help(
            "requests for one are refused; set driver.stream_id_range, for example to \
             \"20000-29999\"",
        );
        report(document, key, diagnostic, "needs driver.stream_id_range");
    }
    if document.table("streams").is_none() {
        let title = format!("there is no stream {DEFAULT_STREAM_ID} unless a producer creates it");
        let help = "it is only there by itself where no streams are allowed to be created; to have \
                    it, add [streams.default] with its stream_id and profile";
        let notice = Diagnostic::new(Severity::Notice, title).help(help);
        report(document, key, notice, "so there is no default stream");
    }
    if settings.policies.default_profile.is_none() {
        let names: Vec<&str> = settings.profiles.keys().map(String::as_str).collect();
        let error = Diagnostic::error("dynamic streams are allowed without a profile for them")
            .help(format!(
                "set policies.default_profile to one of {}",
                names.join(", ")
            ));
        report(document, key, error, "needs policies.default_profile");
    }
}

fn check_hazards(document: &mut Document<'_>, settings: &DriverSettings) {
    if settings.shm.permissions_mode & 0o007 != 0 {
        let help =
            "clients refuse to map such files, so nobody could attach; the usual mode is \"660\"";
        let error = Diagnostic::error("regions could be opened by every user of this host");
        report(
            document,
            "shm.permissions_mode",
            error.help(help),
            "gives rights to others",
        );
    }
    let base_dir = &settings.shm.base_dir;
    if !settings
        .shm
        .allowed_base_dirs
        .iter()
        .any(|allowed| base_dir.starts_with(allowed))
    {
        let warning =
            Diagnostic::warning("`shm.allowed_base_dirs` does not contain `shm.base_dir`")
                .help("no client that is given this file could map what this driver makes");
        document.diagnostics.push(warning);
    }
    let odd = settings.profiles.iter().find(|(_, profile)| {
        profile
            .payload_pools
            .iter()
            .any(|pool| !pool.stride_bytes.is_power_of_two())
    });
    if let Some((name, _)) = odd {
        let title = format!("`profiles.{name}` has strides that are no powers of two");
        let notice =
            Diagnostic::new(Severity::Notice, title).help("not attachable by AeronTensorPool.jl");
        document.diagnostics.push(notice);
    }
}
