//! The names of all events, as programs find them in `event` and people in the guide.

/// Every name, in the order in which the guide has them.
pub const NAMES: &[&str] = &[
    // Of all.
    "ready",
    "waiting",
    "attached",
    "progress",
    "link_lost",
    "link_up",
    "fault",
    "note",
    "warning",
    "error",
    "notice",
    "summary",
    // Of publish and subscribe.
    "mapped",
    "map_failed",
    "retrying",
    "driver_lost",
    "driver_back",
    "lease_lost",
    "lease_back",
    "config_changed",
    "fallback",
    "client_id_shared",
    "closed",
    // Of publish.
    "described",
    "consumers",
    "stalled",
    "flowing",
    "blob_done",
    "metadata_refused",
    // Of subscribe.
    "source_stale",
    "source_lost",
    "end_of_stream",
    "checksum",
    "metadata",
    "blob",
    "blob_failed",
    "output_closed",
    "output_stalled",
    "no_own_stream",
    // Of run.
    "without_effect",
    "leftovers_removed",
    "leftovers_waiting",
    "lease_expired",
    "lease_detached",
    "lease_revoked",
    "driver_conflict",
    "draining",
    "stopped",
    // Of a supervisor.
    "producer_joined",
    "producer_lost",
    "consumer_joined",
    "consumer_lost",
    "consumer_config",
    "consumers_full",
    "consumer_id_shared",
    "config_conflict",
    "drops",
    "suppressed",
    "table",
];

#[cfg(test)]
mod tests {
    use super::NAMES;

    const GUIDE: &str = include_str!("../../../../docs/guide.md");

    #[test]
    fn the_guide_lists_every_event_and_no_others() {
        let (_, from) = GUIDE.split_once("\n## Events\n").expect("a section");
        let (_, list) = from.split_once("| Of |").expect("a table");
        let (list, _) = list.split_once("\n\n").expect("its end");
        let cells = list.lines().filter_map(|line| line.split('|').nth(2));
        let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let quoted = quoted.collect::<Vec<_>>();
        assert_eq!(quoted, NAMES);
    }
}
