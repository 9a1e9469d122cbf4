//! What a supervisor knows, as a table for people and as JSON.

use serde_json::{Value, json};
use tensorpool::supervisor::{ConsumerStatus, Snapshot, StreamStatus};

const STREAM_HEADS: [&str; 9] = [
    "STREAM",
    "NAME",
    "PRODUCER",
    "NEXT",
    "HZ",
    "CONSUMERS",
    "GAP",
    "LATE",
    "MAX LAG",
];
const CONSUMER_HEADS: [&str; 10] = [
    "STREAM",
    "CONSUMER",
    "MODE",
    "SHM",
    "DESCRIPTORS",
    "CONTROL",
    "LAG",
    "HZ",
    "GAP",
    "LATE",
];

/// Two tables with aligned columns.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let streams = snapshot.streams.iter().map(stream_row);
    let consumers = snapshot.consumers.iter().map(consumer_row);
    let streams = columns(&STREAM_HEADS, streams.collect());
    let consumers = columns(&CONSUMER_HEADS, consumers.collect());
    format!("{streams}\n{consumers}")
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn stream_row(stream: &StreamStatus) -> Vec<String> {
    vec![
        stream.stream_id.to_string(),
        or_dash(stream.name.as_deref()),
        or_dash(stream.producer_id),
        or_dash(stream.next_seq),
        format!("{:.1}", stream.rate_hz),
        stream.consumers.to_string(),
        stream.drops_gap.to_string(),
        stream.drops_late.to_string(),
        stream.max_lag.to_string(),
    ]
}

fn consumer_row(consumer: &ConsumerStatus) -> Vec<String> {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    vec![
        consumer.key.stream_id.to_string(),
        consumer.key.consumer_id.to_string(),
        or_dash(consumer.mode.map(|mode| mode.name())),
        or_dash(consumer.use_shm.map(yes_no)),
        or_dash(consumer.descriptor_stream_id),
        or_dash(consumer.control_stream_id),
        or_dash(consumer.lag),
        format!("{:.1}", consumer.rate_hz),
        consumer.drops_gap.to_string(),
        consumer.drops_late.to_string(),
    ]
}

fn columns(heads: &[&str], mut rows: Vec<Vec<String>>) -> String {
    rows.insert(0, heads.iter().map(|head| (*head).to_owned()).collect());
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The same for programs.
pub(super) fn json(snapshot: &Snapshot) -> Value {
    let streams = snapshot.streams.iter().map(|stream| {
        json!({
            "stream": stream.stream_id.get(),
            "name": stream.name,
            "epoch": stream.epoch.map(|epoch| epoch.get()),
            "producer": stream.producer_id.map(|id| id.get()),
            "next_seq": stream.next_seq,
            "rate_hz": stream.rate_hz,
            "consumers": stream.consumers,
            "drops_gap": stream.drops_gap,
            "drops_late": stream.drops_late,
            "max_lag": stream.max_lag,
        })
    });
    let consumers = snapshot.consumers.iter().map(|consumer| {
        json!({
            "stream": consumer.key.stream_id.get(),
            "consumer": consumer.key.consumer_id.get(),
            "silent_ns": consumer.silent_ns,
            "mode": consumer.mode.map(|mode| mode.name()),
            "max_rate_hz": consumer.max_rate_hz,
            "use_shm": consumer.use_shm,
            "descriptor_stream": consumer.descriptor_stream_id,
            "control_stream": consumer.control_stream_id,
            "epoch": consumer.epoch.map(|epoch| epoch.get()),
            "last_seq": consumer.last_seq,
            "lag": consumer.lag,
            "rate_hz": consumer.rate_hz,
            "drops_gap": consumer.drops_gap,
            "drops_late": consumer.drops_late,
        })
    });
    json!({
        "streams": streams.collect::<Vec<_>>(),
        "consumers": consumers.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use tensorpool::codecs::types::{ClientId, StreamId};
    use tensorpool::codecs::wire::Mode;
    use tensorpool::supervisor::ConsumerKey;

    use super::*;

    fn snapshot() -> Snapshot {
        let stream_id = StreamId::new(10_000);
        Snapshot {
            streams: vec![StreamStatus {
                stream_id,
                name: Some("front".to_owned()),
                epoch: None,
                producer_id: Some(ClientId::new(7)),
                next_seq: Some(120),
                rate_hz: 59.94,
                consumers: 1,
                drops_gap: 2,
                drops_late: 3,
                max_lag: 4,
            }],
            consumers: vec![ConsumerStatus {
                key: ConsumerKey::new(stream_id, ClientId::new(8)),
                silent_ns: 5,
                mode: Some(Mode::Stream),
                max_rate_hz: 0,
                use_shm: Some(true),
                descriptor_stream_id: Some(31_000),
                control_stream_id: None,
                epoch: None,
                last_seq: None,
                rate_hz: 0.0,
                drops_gap: 2,
                drops_late: 3,
                lag: None,
            }],
        }
    }

    #[test]
    fn columns_are_aligned_and_what_is_not_known_is_a_dash() {
        let expected = "\
STREAM  NAME   PRODUCER  NEXT  HZ    CONSUMERS  GAP  LATE  MAX LAG
10000   front  7         120   59.9  1          2    3     4
STREAM  CONSUMER  MODE    SHM  DESCRIPTORS  CONTROL  LAG  HZ   GAP  LATE
10000   8         STREAM  yes  31000        -        -    0.0  2    3";
        assert_eq!(text(&snapshot()), expected);
    }

    #[test]
    fn programs_get_the_same_figures() {
        let json = json(&snapshot());
        assert_eq!(json["streams"][0]["name"], "front");
        assert_eq!(json["consumers"][0]["descriptor_stream"], 31_000);
        assert_eq!(json["consumers"][0]["lag"], Value::Null);
    }
}
