//! Streams that are configured more than once: all who name one must name it alike.

use tensorpool::transport::{Channel, Media};

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::settings::{DriverSettings, Endpoint};

/// A stream, as one table names it.
struct Named<'a> {
    table: &'static str,
    name: &'static str,
    endpoint: &'a Endpoint,
}

impl Named<'_> {
    fn key(&self) -> String {
        format!("{}.{}_channel", self.table, self.name)
    }
}

/// Every stream a driver of these settings, or the supervisor it brings, has to do with.
fn all(settings: &DriverSettings) -> Vec<Named<'_>> {
    let (driver, supervisor) = (&settings.driver, &settings.supervisor);
    let of = |table, name, endpoint| Named {
        table,
        name,
        endpoint,
    };
    let mut all = vec![
        of("driver", "control", &driver.control),
        of("driver", "announce", &driver.announce),
        of("driver", "qos", &driver.qos),
    ];
    if supervisor.with_driver {
        all.extend([
            of("supervisor", "control", &supervisor.control),
            of("supervisor", "announce", &supervisor.announce),
            of("supervisor", "qos", &supervisor.qos),
            of("supervisor", "metadata", &supervisor.metadata),
        ]);
    }
    all
}

/// Warns of streams that are named with two term lengths, or by two channels of one place.
// [TP-DRV-2870]
pub(super) fn check_shared_streams(document: &mut Document<'_>, settings: &DriverSettings) {
    let all = all(settings);
    for (index, later) in all.iter().enumerate() {
        let mut earlier = all[..index].iter();
        let conflict = earlier.find_map(|earlier| Some((earlier, conflict(earlier, later)?)));
        let Some((earlier, title)) = conflict else {
            continue;
        };
        let warning = Diagnostic::warning(title).help(
            "on one media driver all publications of a stream must agree; name the same channel",
        );
        let key = later.key();
        let label = format!("differs from {}", earlier.key());
        let warning = match document.given(&key) {
            Some(given) => given.about(warning, &label),
            None => warning,
        };
        document.diagnostics.push(warning);
    }
}

fn conflict(earlier: &Named<'_>, later: &Named<'_>) -> Option<String> {
    let (one, other) = (&earlier.endpoint.channel, &later.endpoint.channel);
    let stream_id = earlier.endpoint.stream_id;
    if stream_id != later.endpoint.stream_id || one == other {
        return None;
    }
    let (one, other): (Channel, Channel) = (one.parse().ok()?, other.parse().ok()?);
    let names = match (earlier.table, earlier.name) {
        (table, name) if table == later.table => format!("{} and {name}", later.name),
        (table, name) => format!("{}.{} and {table}.{name}", later.table, later.name),
    };
    if !is_one_place(&one, &other) {
        return None;
    }
    Some(match (one.term_length(), other.term_length()) {
        (Some(one), Some(other)) if one != other => {
            format!("{names} have two term lengths on stream {stream_id}")
        }
        _ => format!("{names} use stream {stream_id} on different channels"),
    })
}

/// Whether publications of one stream id on both are of one stream.
fn is_one_place(one: &Channel, other: &Channel) -> bool {
    let of_network = ["endpoint", "control", "interface"];
    one.media() == other.media()
        && (one.media() == Media::Ipc
            || of_network
                .iter()
                .all(|param| one.param(param) == other.param(param)))
}
