use super::*;

fn sent(epoch: u64, end: u64, fate: Fate) -> Sent {
    Sent {
        stream: 10_001,
        life: "producer 1".to_owned(),
        epoch,
        frames: end,
        end,
        fate,
    }
}

/// An account that holds: so many of `first..end` were lost to gaps, the others received.
fn account(epoch: u64, first: u64, end: u64, gap: u64, ended: &str) -> ReceivedEpoch {
    let delivered = end - first - gap;
    ReceivedEpoch {
        epoch,
        first: Some(first),
        end: Some(end),
        delivered,
        drops: [("gap".to_owned(), gap), ("changed".to_owned(), 0)].into(),
        taken: delivered,
        taken_first: (delivered > 0).then_some(first),
        taken_last: (delivered > 0).then(|| end - 1),
        disorder: 0,
        ended: ended.to_owned(),
    }
}

fn received(epochs: Vec<ReceivedEpoch>) -> Received {
    let sum = |of: fn(&ReceivedEpoch) -> u64| epochs.iter().map(of).sum();
    let gap: u64 = sum(|each| each.drops["gap"]);
    Received {
        frames: sum(|each| each.taken),
        wrong: 0,
        seconds: 1.0,
        remaps: 2,
        reattaches: 1,
        descriptor_stream: None,
        drops: [("gap".to_owned(), gap)].into(),
        epochs,
        epochs_left_out: 0,
    }
}

/// What is wrong with a consumer of these epochs.
fn faults(epochs: Vec<ReceivedEpoch>, sent: &[Sent]) -> String {
    let sent: Vec<&Sent> = sent.iter().collect();
    settle(&received(epochs), &sent).faults.join("; ")
}

#[test]
fn an_account_over_a_crash_and_a_restart_adds_up() {
    let sent = [
        sent(2, 100, Fate::Killed),
        sent(4, 50, Fate::DriverLost),
        sent(7, 30, Fate::Closed),
    ];
    let epochs = vec![
        account(2, 10, 99, 4, "source_lost"),
        account(3, 0, 0, 0, "replaced"),
        account(4, 0, 40, 5, "driver_lost"),
        account(7, 0, 30, 0, "end_of_stream"),
    ];
    let sent: Vec<&Sent> = sent.iter().collect();
    let settled = settle(&received(epochs), &sent);
    assert_eq!(settled.faults, Vec::<String>::new());
    assert_eq!(
        (settled.owed, settled.received),
        (90 + 50 + 30, 85 + 35 + 30)
    );
    let dropped: Vec<_> = settled
        .dropped
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    assert_eq!(dropped, [(&"away", &10), (&"gap", &9), (&"untold", &1)]);
}

#[test]
fn what_was_missed_before_the_first_frame_under_the_next_driver_is_away() {
    let sent = [sent(2, 100, Fate::DriverLost), sent(4, 50, Fate::Closed)];
    let mut after = account(4, 0, 50, 22, "end_of_stream");
    after.taken_first = Some(20);
    let epochs = vec![account(2, 0, 100, 3, "driver_lost"), after];
    let sent: Vec<&Sent> = sent.iter().collect();
    let settled = settle(&received(epochs), &sent);
    assert_eq!(settled.faults, Vec::<String>::new());
    assert_eq!(
        (settled.dropped["away"], settled.dropped["gap"]),
        (20, 3 + 2)
    );
}

#[test]
fn frames_behind_the_end_need_a_reason_that_both_sides_know() {
    for (ended, fate, behind, is_fault) in [
        ("end_of_stream", Fate::Closed, 1, true),
        ("driver_lost", Fate::DriverLost, 60, false),
        ("lease_lost", Fate::DriverLost, 60, false),
        ("driver_lost", Fate::Closed, 1, true),
        ("replaced", Fate::DriverLost, 1, true),
        ("source_lost", Fate::Killed, 1, false),
        ("source_lost", Fate::Killed, 2, true),
        ("driver_lost", Fate::Killed, 1, true),
        ("open", Fate::Closed, 1, true),
    ] {
        let found = faults(
            vec![account(2, 0, 100 - behind, 0, ended)],
            &[sent(2, 100, fate)],
        );
        assert_eq!(
            found.contains("unexplained"),
            is_fault,
            "{ended} {fate:?}: {found}"
        );
    }
}

#[test]
fn frames_that_are_missing_or_invented_are_faults() {
    let all = [sent(2, 100, Fate::Closed), sent(3, 10, Fate::Closed)];
    let whole = || {
        vec![
            account(2, 0, 100, 0, "replaced"),
            account(3, 0, 10, 0, "end_of_stream"),
        ]
    };
    assert_eq!(faults(whole(), &all), "");
    let mut missing = whole();
    missing[0].drops.insert("gap".to_owned(), 1);
    assert!(faults(missing, &all).contains("100 delivered and 1 dropped of 0 to 100"));
    let mut untaken = whole();
    untaken[1].taken = 9;
    assert!(faults(untaken, &all).contains("9 taken"));
    let mut twice = whole();
    twice[1].disorder = 1;
    assert!(faults(twice, &all).contains("1 out of order"));
    let invented = vec![
        account(2, 0, 100, 0, "replaced"),
        account(3, 0, 11, 0, "open"),
    ];
    assert!(faults(invented, &all).contains("11 frames of 10 published"));
    let late = vec![
        account(2, 3, 100, 0, "replaced"),
        account(3, 3, 10, 0, "open"),
    ];
    assert_eq!(faults(late, &all), "epoch 3: begins with frame 3");
    assert!(faults(vec![whole().remove(0)], &all).contains("epoch 3: 0 accounts of 10 frames"));
    let unpublished = [&whole()[..], &[account(9, 0, 5, 0, "open")]].concat();
    assert!(faults(unpublished, &all).contains("frames nobody published"));
    let mut unknown = whole();
    (unknown[1].first, unknown[1].end) = (None, None);
    (unknown[1].delivered, unknown[1].taken) = (0, 0);
    assert!(faults(unknown, &all).contains("never knew what it was owed"));
}

#[test]
fn totals_that_differ_from_the_epochs_are_faults() {
    let sent = [sent(2, 100, Fate::Closed)];
    let mut other = received(vec![account(2, 0, 100, 0, "end_of_stream")]);
    other.frames = 101;
    other.drops.insert("odd".to_owned(), 2);
    let sent: Vec<&Sent> = sent.iter().collect();
    let found = settle(&other, &sent).faults.join("; ");
    assert!(
        found.contains("101 frames in all, 100 in its epochs"),
        "{found}"
    );
    assert!(found.contains("odd: 2 in all, 0 in its epochs"), "{found}");
}

#[test]
fn a_producers_epochs_are_its_frames() {
    let epoch = |epoch, frames, end| super::super::summary::PublishedEpoch { epoch, frames, end };
    let mut summary = Published {
        frames: 30,
        epochs: vec![epoch(2, 10, 12), epoch(5, 20, 20)],
        drops: BTreeMap::new(),
        epochs_left_out: 0,
    };
    let found = lives(7, "producer 1", &summary).unwrap();
    let fates: Vec<_> = found.iter().map(|sent| (sent.end, sent.fate)).collect();
    assert_eq!(fates, [(12, Fate::DriverLost), (20, Fate::Closed)]);
    summary.frames = 31;
    assert!(lives(7, "producer 1", &summary).is_err());
}
