//! Whether every frame a consumer was owed is accounted for, by a cause that is known.
//!
//! What was published is known to the frame: producers that end in order say it for each epoch, and
//! of one that was killed its ring does. In each epoch of its stream a consumer is owed
//!
//! ```text
//!   first                              end                    published
//!     │ received, or dropped for a cause │ away, or untold        │
//!     ├──────────────────────────────────┼────────────────────────┤
//! ```
//! - from frame 0 in all epochs but its first; in that from where its producer was when it joined;
//! - up to the last frame that was published.
//!
//! The consumer itself accounts for frames up to `end`. Behind that there may be frames when, and only
//! when, its lease had ended with the driver and its producer had not noticed yet (*away*), or when
//! its producer was killed between completing a frame and telling of it (*untold*, one frame).
//!
//! A producer that finds the new driver first publishes before a consumer is attached again. The
//! consumer counts these frames as lost, under the causes it saw; what it missed before its first
//! frame of the epoch after the one that ended with the driver is shown as *away* here.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::summary::{Published, Received, ReceivedEpoch};

/// What is said below the table.
pub(super) const OWED: &str = "\
Owed in each epoch: from frame 0, or in a consumer's first epoch from where its producer was when it
joined, up to the last frame published: as the producer says, or the ring of the one that was killed.
late: overwritten before it was looked at; torn: while it was read; rate: skipped for --max-rate;
revoked: unread when its lease ended; away: published while it was not attached, from the end of its
lease with the driver until its first frame under the next one; untold: complete, and its producer
killed before it could tell.
";

/// Frames a producer that is killed may have completed and not told of: it tells of each at once.
const MAX_UNTOLD: u64 = 1;

/// How a producer's epoch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It gave its lease back.
    Closed,
    /// Its driver was killed.
    DriverLost,
    /// It was killed.
    Killed,
}

/// What a producer published in one epoch.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) stream: u32,
    /// Which producer, and which life of it.
    pub(super) life: String,
    pub(super) epoch: u64,
    pub(super) frames: u64,
    /// The number behind the last frame.
    pub(super) end: u64,
    pub(super) fate: Fate,
}

/// What a producer says that it published: all its epochs but the last ended with their driver.
pub(super) fn lives(stream: u32, name: &str, summary: &Published) -> Result<Vec<Sent>> {
    let frames: u64 = summary.epochs.iter().map(|each| each.frames).sum();
    ensure!(
        summary.epochs_left_out == 0 && frames == summary.frames,
        "{name}: {frames} frames in its epochs, {} in all",
        summary.frames
    );
    let last = summary.epochs.len().saturating_sub(1);
    let lives = summary.epochs.iter().enumerate().map(|(index, each)| Sent {
        stream,
        life: name.to_owned(),
        epoch: each.epoch,
        frames: each.frames,
        end: each.end,
        fate: if index == last {
            Fate::Closed
        } else {
            Fate::DriverLost
        },
    });
    Ok(lives.collect())
}

/// The causes of the table, and what they are called in summaries.
pub(super) const CAUSES: [(&str, &[&str]); 8] = [
    ("gap", &["gap"]),
    ("late", &["frame_id_mismatch"]),
    ("torn", &["odd", "changed"]),
    ("rate", &["rate_limited"]),
    ("revoked", &["revoked"]),
    ("invalid", &["header_invalid", "payload_invalid"]),
    ("away", &[]),
    ("untold", &[]),
];

/// What one consumer was owed and what became of it.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) owed: u64,
    pub(super) received: u64,
    /// Frames that were not received, by the causes of the table.
    pub(super) dropped: BTreeMap<&'static str, u64>,
    /// What does not add up.
    pub(super) faults: Vec<String>,
}

impl Settled {
    fn drop(&mut self, cause: &'static str, count: u64) {
        *self.dropped.entry(cause).or_default() += count;
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }
}

/// Settles the account of a consumer of `sent`, all epochs of its stream that have frames.
pub(super) fn settle(received: &Received, sent: &[&Sent]) -> Settled {
    let mut settled = Settled::default();
    let mut was_away = false;
    for (index, account) in received.epochs.iter().enumerate() {
        let published = sent.iter().find(|sent| sent.epoch == account.epoch);
        settle_own(&mut settled, account, was_away);
        was_away = matches!(account.ended.as_str(), "driver_lost" | "lease_lost");
        match published {
            Some(sent) => settle_with(&mut settled, account, sent, index == 0),
            // Nobody published there.
            None if account.end.unwrap_or(0) == 0 => {}
            None => settled.fault(format!(
                "epoch {}: accounts for frames nobody published",
                account.epoch
            )),
        }
    }
    for sent in sent {
        let accounts = received
            .epochs
            .iter()
            .filter(|each| each.epoch == sent.epoch);
        let count = accounts.count();
        if count != 1 {
            let (epoch, end) = (sent.epoch, sent.end);
            settled.fault(format!("epoch {epoch}: {count} accounts of {end} frames"));
        }
    }
    let dropped: u64 = settled.dropped.values().sum();
    if settled.owed != settled.received + dropped {
        let (owed, received) = (settled.owed, settled.received);
        settled.fault(format!(
            "owed {owed}, and {received} received and {dropped} dropped are {}",
            received + dropped
        ));
    }
    settle_totals(&mut settled, received);
    settled
}

/// What the client counted and what its program took are one.
fn settle_own(settled: &mut Settled, account: &ReceivedEpoch, was_away: bool) {
    let ReceivedEpoch {
        epoch,
        taken,
        delivered,
        disorder,
        ..
    } = account;
    let (first, end) = (account.first.unwrap_or(0), account.end.unwrap_or(0));
    let dropped: u64 = account.drops.values().sum();
    if end < first || end - first != delivered + dropped {
        settled.fault(format!(
            "epoch {epoch}: {delivered} delivered and {dropped} dropped of {first} to {end}"
        ));
    }
    if taken != delivered || *disorder > 0 {
        settled.fault(format!(
            "epoch {epoch}: {taken} taken, {disorder} out of order, {delivered} delivered"
        ));
    }
    let is_within = |seq: u64| (first..end).contains(&seq);
    if let Some(stranger) = [account.taken_first, account.taken_last]
        .into_iter()
        .flatten()
        .find(|seq| !is_within(*seq))
    {
        settled.fault(format!(
            "epoch {epoch}: frame {stranger} is not of {first} to {end}"
        ));
    }
    settled.received += taken;
    let mut before_first = match account.taken_first {
        Some(taken_first) if was_away => taken_first.saturating_sub(first),
        _ => 0,
    };
    for (cause, names) in CAUSES {
        let counts = names.iter().filter_map(|&name| account.drops.get(name));
        let count: u64 = counts.sum();
        let away = count.min(before_first);
        before_first -= away;
        settled.drop(cause, count - away);
        settled.drop("away", away);
    }
}

/// What the client accounts for and what was published are one.
fn settle_with(settled: &mut Settled, account: &ReceivedEpoch, sent: &Sent, is_first: bool) {
    let epoch = sent.epoch;
    let Some((first, end)) = account.first.zip(account.end) else {
        settled.owed += sent.end;
        settled.fault(format!("epoch {epoch}: it never knew what it was owed"));
        return;
    };
    if first > 0 && !is_first {
        settled.fault(format!("epoch {epoch}: begins with frame {first}"));
    }
    settled.owed += sent.end.saturating_sub(first);
    let Some(behind) = sent.end.checked_sub(end).filter(|behind| *behind > 0) else {
        if end > sent.end {
            let published = sent.end;
            settled.fault(format!(
                "epoch {epoch}: {end} frames of {published} published"
            ));
        }
        return;
    };
    match (account.ended.as_str(), sent.fate) {
        ("driver_lost" | "lease_lost", Fate::DriverLost) => settled.drop("away", behind),
        ("source_lost", Fate::Killed) if behind <= MAX_UNTOLD => settled.drop("untold", behind),
        (ended, fate) => settled.fault(format!(
            "epoch {epoch}: {behind} frames behind {end} are unexplained ({ended}, {fate:?})"
        )),
    }
}

/// The sums over all epochs are those of the summary.
fn settle_totals(settled: &mut Settled, received: &Received) {
    if received.epochs_left_out > 0 || received.frames != settled.received {
        let (frames, taken) = (received.frames, settled.received);
        settled.fault(format!("{frames} frames in all, {taken} in its epochs"));
    }
    let mut by_cause: BTreeMap<&String, u64> = BTreeMap::new();
    for (cause, count) in received.epochs.iter().flat_map(|each| &each.drops) {
        *by_cause.entry(cause).or_default() += count;
    }
    for (cause, total) in &received.drops {
        let count = by_cause.get(cause).copied().unwrap_or(0);
        if count != *total {
            settled.fault(format!("{cause}: {total} in all, {count} in its epochs"));
        }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
