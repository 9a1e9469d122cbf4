//! What the conductor tells a producer, taken up on the application's thread: mappings to write to,
//! streams of consumers' own, events.

use tensorpool_protocol::client::OwnStreamKind;
use tensorpool_shm::producer::ProducerRing;

use super::announcer::Telling;
use super::own_streams::OwnChange;
use super::{Current, Producer};
use crate::client::event::Event;
use crate::client::shared::{Adopted, Notice};

impl Producer {
    #[cold]
    pub(super) fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Adopt(adopted) => self.adopt(adopted),
            Notice::Event(event) => self.events.push(event),
            Notice::Own(change) => self.on_own_change(change),
            // Producers are not told of other producers' ends, nor what consumers are to use.
            Notice::Ended { .. } | Notice::Configure(_) => {}
        }
    }

    fn on_own_change(&mut self, change: OwnChange) {
        match (change, &mut self.speaker, &mut self.announcer) {
            (
                OwnChange::Open {
                    id,
                    kind: OwnStreamKind::Control,
                    publication,
                    ..
                },
                Some(speaker),
                _,
            ) => speaker.open_own(id, publication),
            (change, speaker, announcer) => {
                if let (OwnChange::Close(id), Some(speaker)) = (&change, speaker) {
                    speaker.close_own(*id);
                }
                if let Some(announcer) = announcer {
                    announcer.own.apply(change);
                }
            }
        }
    }

    fn adopt(&mut self, adopted: Adopted) {
        // Taken back when newer ones came after it.
        let Some(mapping) = adopted.mapping.take() else {
            return;
        };
        let (epoch, slot_count) = (mapping.epoch(), mapping.slot_count());
        let stream_id = mapping.stream();
        // A mapping made for a producer is writable and has no other ring; if it were not, the
        // lease is of no use.
        let Ok(ring) = ProducerRing::new(mapping) else {
            return;
        };
        let old = self.current.replace(Current {
            telling: Telling::new(ring.mapping().stream(), epoch, slot_count),
            ring,
            client_id: adopted.client_id,
            node_id: adopted.node_id,
        });
        if let Some(announcer) = &mut self.announcer {
            announcer.begin_epoch(slot_count);
        }
        if let Some(speaker) = &mut self.speaker {
            speaker.begin_epoch(stream_id, epoch, slot_count);
        }
        self.shared.next_seq.begin(epoch, 0);
        self.events.push(match old {
            None => Event::Mapped { epoch },
            Some(old) => Event::Remapped {
                old: old.telling.epoch,
                new: epoch,
            },
        });
    }
}
