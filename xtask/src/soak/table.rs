//! The result of a soak: who published what, who received how much of it, and what is wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::account::{CAUSES, OWED, Sent, Settled, settle};
use super::cast::{CONSUMERS, Client};
use super::summary::Received;

/// Frames a second that the consumer with a rate asked for.
const RATE_HZ: f64 = 30.0;

/// One consumer at the end.
struct Row {
    name: String,
    stream: u32,
    received: Received,
    settled: Settled,
    faults: Vec<String>,
}

/// For each life of a producer what it could not tell of on the shared stream, as far as it said: where
/// gaps of consumers there come from.
pub(super) type HeldUp = Vec<(String, BTreeMap<String, u64>)>;

/// What a soak came to.
pub(super) struct Outcome {
    seconds: f64,
    sent: Vec<Sent>,
    rows: Vec<Row>,
    held_up: HeldUp,
    /// What is wrong beside accounts.
    faults: Vec<String>,
}

impl Outcome {
    /// Settles the accounts of all consumers; they are in the order of the cast.
    pub(super) fn settle(
        seconds: f64,
        mut sent: Vec<Sent>,
        received: &[(String, Received)],
        held_up: HeldUp,
        faults: Vec<String>,
    ) -> Self {
        sent.sort_by_key(|sent| (sent.stream, sent.epoch));
        let rows = CONSUMERS.iter().zip(received);
        let rows = rows.map(|(client, (name, received))| {
            let of_stream: Vec<&Sent> = sent
                .iter()
                .filter(|sent| sent.stream == client.stream)
                .collect();
            let settled = settle(received, &of_stream);
            let last = of_stream.last().map(|sent| sent.epoch);
            Row {
                name: name.clone(),
                stream: client.stream,
                faults: misses(client, received, &settled, last),
                received: received.clone(),
                settled,
            }
        });
        let rows = rows.collect();
        Self {
            seconds,
            sent,
            rows,
            held_up,
            faults,
        }
    }

    /// Everything that is wrong; empty when the soak passed.
    pub(super) fn faults(&self) -> Vec<String> {
        let of_rows = self.rows.iter().flat_map(|row| {
            let faults = row.settled.faults.iter().chain(&row.faults);
            faults.map(|fault| format!("{}: {fault}", row.name))
        });
        of_rows.chain(self.faults.iter().cloned()).collect()
    }

    /// The tables, with what they mean.
    pub(super) fn render(&self) -> String {
        let mut text = format!("{:.1} s of frames\n\n", self.seconds);
        _ = writeln!(
            text,
            "{:<24} {:>6} {:>14} {:>9} {:>9}  ended",
            "published by", "stream", "epoch", "frames", "aborted"
        );
        for sent in &self.sent {
            _ = writeln!(
                text,
                "{:<24} {:>6} {:>14} {:>9} {:>9}  {}",
                sent.life,
                sent.stream,
                sent.epoch,
                sent.frames,
                sent.end - sent.frames,
                match sent.fate {
                    super::Fate::Closed => "in order",
                    super::Fate::DriverLost => "with its driver",
                    super::Fate::Killed => "killed",
                }
            );
        }
        for (life, causes) in &self.held_up {
            for (cause, count) in causes.iter().filter(|(_, count)| **count > 0) {
                _ = writeln!(
                    text,
                    "{life}: {count} not told of on the shared stream: {cause}"
                );
            }
        }
        _ = write!(
            text,
            "\n{:<24} {:>6} {:>9} {:>9} {:>9}",
            "received by", "stream", "owed", "received", "verified"
        );
        for (cause, _) in CAUSES {
            _ = write!(text, " {cause:>9}");
        }
        _ = writeln!(text, " {:>6} {:>9} {:>5}", "remaps", "reattach", "wrong");
        for row in &self.rows {
            let Row {
                settled, received, ..
            } = row;
            _ = write!(
                text,
                "{:<24} {:>6} {:>9} {:>9} {:>9}",
                row.name,
                row.stream,
                settled.owed,
                settled.received,
                received.frames - received.wrong.min(received.frames)
            );
            for (cause, _) in CAUSES {
                let count = settled.dropped.get(cause).copied().unwrap_or(0);
                _ = write!(text, " {count:>9}");
            }
            _ = writeln!(
                text,
                " {:>6} {:>9} {:>5}",
                received.remaps, received.reattaches, received.wrong
            );
        }
        _ = write!(text, "\n{OWED}");
        let verdict = match self.faults().len() {
            0 => "every frame owed is accounted for".to_owned(),
            count => format!("{count} FAULTS: {}", self.faults().join("; ")),
        };
        _ = writeln!(text, "{verdict}");
        text
    }

    /// All of it for programs.
    pub(super) fn json(&self) -> Value {
        let sent = self.sent.iter().map(|sent| {
            json!({
                "name": sent.life,
                "stream": sent.stream,
                "epoch": sent.epoch,
                "frames": sent.frames,
                "end": sent.end,
                "ended": format!("{:?}", sent.fate),
            })
        });
        let rows = self.rows.iter().map(|row| {
            let dropped = CAUSES.iter().map(|(cause, _)| {
                let count = row.settled.dropped.get(cause).copied().unwrap_or(0);
                ((*cause).to_owned(), count.into())
            });
            json!({
                "name": row.name,
                "stream": row.stream,
                "owed": row.settled.owed,
                "received": row.settled.received,
                "dropped": Value::Object(dropped.collect::<Map<_, _>>()),
                "remaps": row.received.remaps,
                "reattaches": row.received.reattaches,
                "wrong": row.received.wrong,
                "epochs": row.received.epochs,
            })
        });
        json!({
            "seconds": self.seconds,
            "producers": sent.collect::<Vec<_>>(),
            "consumers": rows.collect::<Vec<_>>(),
            "held_up": self.held_up,
            "faults": self.faults(),
        })
    }
}

/// What a consumer was there to show and did not.
fn misses(
    client: &Client,
    received: &Received,
    settled: &Settled,
    last: Option<u64>,
) -> Vec<String> {
    let mut faults = Vec::new();
    if received.wrong > 0 {
        faults.push(format!("{} torn or wrong frames", received.wrong));
    }
    let at_the_end = received.epochs.iter().find(|each| Some(each.epoch) == last);
    if at_the_end.is_none_or(|each| each.taken == 0) {
        faults.push("no frame arrived after the driver's restart".to_owned());
    }
    if received.reattaches == 0 {
        faults.push("it did not notice the driver's restart".to_owned());
    }
    if client.options.contains(&"--own-stream") && received.descriptor_stream.is_none() {
        faults.push("it has no stream of its own at the end".to_owned());
    }
    let has_rate = client.options.contains(&"--max-rate");
    if has_rate && received.frames as f64 > received.seconds * RATE_HZ + 2.0 {
        let (frames, seconds) = (received.frames, received.seconds);
        faults.push(format!(
            "{frames} frames in {seconds:.1} s are more than its rate"
        ));
    }
    let lost: u64 = ["late", "torn", "gap"]
        .iter()
        .filter_map(|cause| settled.dropped.get(cause))
        .sum();
    if client.options.contains(&"--slow") && lost == 0 {
        faults.push("it was to be slow, and lost nothing".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::account::Fate;
    use super::super::summary::ReceivedEpoch;
    use super::*;

    fn consumer(client: &Client, frames: u64) -> Received {
        let slow = u64::from(client.options.contains(&"--slow"));
        let drops = [("frame_id_mismatch".to_owned(), slow)];
        Received {
            frames: frames - slow,
            wrong: 0,
            seconds: 1e6,
            remaps: 1,
            reattaches: 1,
            descriptor_stream: Some(31_000),
            drops: drops.clone().into(),
            epochs: vec![ReceivedEpoch {
                epoch: 5,
                first: Some(0),
                end: Some(frames),
                delivered: frames - slow,
                drops: drops.into(),
                taken: frames - slow,
                ended: "end_of_stream".to_owned(),
                ..ReceivedEpoch::default()
            }],
            epochs_left_out: 0,
        }
    }

    fn outcome(change: impl Fn(usize, &mut Received)) -> Outcome {
        let sent = [10_001, 10_002].map(|stream| Sent {
            stream,
            life: "producer".to_owned(),
            epoch: 5,
            frames: 90,
            end: 90,
            fate: Fate::Closed,
        });
        let received = CONSUMERS.iter().enumerate().map(|(index, client)| {
            let mut received = consumer(client, 90);
            change(index, &mut received);
            (client.name.to_owned(), received)
        });
        let received: Vec<_> = received.collect();
        let held_up = [("backpressured".to_owned(), 7), ("refused".to_owned(), 0)];
        let held_up = vec![("producer".to_owned(), held_up.into())];
        Outcome::settle(1.0, sent.into(), &received, held_up, Vec::new())
    }

    #[test]
    fn a_soak_without_faults_says_so_and_what_owed_means() {
        let outcome = outcome(|_, _| {});
        assert_eq!(outcome.faults(), Vec::<String>::new());
        let text = outcome.render();
        assert!(!text.contains("refused"), "{text}");
        for part in [
            "every frame owed is accounted for",
            "Owed in each epoch",
            "in order",
            "producer: 7 not told of on the shared stream: backpressured",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(outcome.json()["consumers"][4]["dropped"]["late"], 1);
        assert_eq!(outcome.json()["faults"], json!([]));
    }

    #[test]
    fn whoever_does_not_show_what_it_is_there_for_is_a_fault() {
        type Change = fn(&mut Received);
        let cases: [(usize, Change, &str); 5] = [
            (0, |of| of.wrong = 1, "torn or wrong"),
            (1, |of| of.descriptor_stream = None, "no stream of its own"),
            (2, |of| of.seconds = 1.0, "more than its rate"),
            (3, |of| of.reattaches = 0, "did not notice"),
            (4, |of| of.epochs.clear(), "no frame arrived"),
        ];
        for (who, change, fault) in cases {
            let outcome = outcome(|index, received| {
                if index == who {
                    change(received);
                }
            });
            let faults = outcome.faults().join("; ");
            assert!(faults.contains(fault), "{fault}: {faults}");
            assert!(outcome.render().contains("FAULTS"));
        }
    }
}
