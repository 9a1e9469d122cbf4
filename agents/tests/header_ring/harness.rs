//! What these tests share: opening and polling consumers, and writing into a ring by hand.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tensorpool::client::{
    Availability, Client, Consumer, Event, FrameInfo, FrameMeta, Offered, Producer,
};
use tensorpool::codecs::types::Epoch;

use crate::support::{SLOTS, STREAM, WAIT, World};

/// A consumer that watches the ring.
pub(crate) fn watcher(client: &Client) -> Consumer {
    let builder = client.consumer(STREAM);
    let consumer = builder.availability(Availability::HeaderRing).wait(WAIT);
    consumer.unwrap()
}

/// What a frame of this number carries.
pub(crate) fn payload(seq: u64) -> Vec<u8> {
    (0..600).map(|i| (seq as usize * 31 + i) as u8).collect()
}

pub(crate) fn meta() -> FrameMeta {
    FrameMeta::bytes(600).unwrap()
}

pub(crate) fn publish(producer: &mut Producer) -> Offered {
    let seq = producer.next_seq().unwrap().get();
    producer.offer(&meta(), &payload(seq)).unwrap()
}

pub(crate) fn publish_many(producer: &mut Producer, count: u64) {
    for _ in 0..count {
        publish(producer);
    }
}

/// One poll: what was delivered whole, each byte of it checked.
pub(crate) fn poll(consumer: &mut Consumer) -> Vec<FrameInfo> {
    let (mut infos, mut bytes) = (Vec::new(), vec![0; 600]);
    let polled = consumer.poll(
        |frame| {
            if frame.copy_to(&mut bytes).is_ok() {
                assert!(
                    bytes == payload(frame.seq().get()),
                    "frame {} is another's",
                    frame.seq()
                );
                infos.push(frame.info());
            }
        },
        16,
    );
    if polled.unwrap() == 0 {
        std::thread::yield_now();
    }
    infos
}

/// Polls until so many frames were delivered.
pub(crate) fn receive(consumer: &mut Consumer, count: usize) -> Vec<FrameInfo> {
    let (mut infos, started) = (Vec::new(), Instant::now());
    while infos.len() < count {
        infos.extend(poll(consumer));
        assert!(
            started.elapsed() < WAIT,
            "{} of {count} frames: {:?}",
            infos.len(),
            consumer.stats()
        );
    }
    infos
}

pub(crate) fn seqs(infos: &[FrameInfo]) -> Vec<u64> {
    infos.iter().map(|info| info.seq.get()).collect()
}

/// Polls until there is such an event; gives what was delivered meanwhile as well.
pub(crate) fn wait_event<T>(
    consumer: &mut Consumer,
    mut find: impl FnMut(&Event) -> Option<T>,
) -> (T, Vec<FrameInfo>) {
    let (mut infos, started) = (Vec::new(), Instant::now());
    loop {
        infos.extend(poll(consumer));
        if let Some(found) = consumer.events().find_map(|event| find(&event)) {
            return (found, infos);
        }
        assert!(
            started.elapsed() < WAIT,
            "no such event; {:?}",
            consumer.stats()
        );
    }
}

/// The file of a header ring, to be written by hand.
pub(crate) struct RingFile(File);

impl RingFile {
    pub(crate) fn of(world: &World, epoch: Epoch) -> Self {
        let path = find(&world.dir.path().join("pools"), epoch).expect("the ring's file");
        Self(File::options().write(true).open(path).unwrap())
    }

    /// Makes the slot of frame `seq` hold it, complete.
    pub(crate) fn complete(&self, seq: u64) {
        self.write(seq % u64::from(SLOTS), seq << 1 | 1);
    }

    /// Makes a slot look as if nobody had written it.
    pub(crate) fn clear(&self, slot: u64) {
        self.write(slot, 0);
    }

    fn write(&self, slot: u64, word: u64) {
        let offset = 64 + 256 * slot;
        self.0.write_all_at(&word.to_le_bytes(), offset).unwrap();
    }
}

fn find(dir: &Path, epoch: Epoch) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find_map(|path| {
        let file = path.join("header.ring");
        match path.file_name() {
            Some(name) if *name == *epoch.get().to_string() && file.exists() => Some(file),
            _ => find(&path, epoch),
        }
    })
}
