//! What the conductor tells a consumer, taken up on the application's thread: mappings to read from,
//! ends of sources, what to obey.

use tensorpool_protocol::client::Adoption;
use tensorpool_protocol::frame::Presence;

use super::{Consumer, Current, Intake};
use crate::client::event::Event;
use crate::client::shared::{Adopted, Notice};
use crate::client::stats::EpochStats;

impl Consumer {
    #[cold]
    pub(super) fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Adopt(adopted) => self.adopt(adopted),
            // Only producers publish.
            Notice::Own(_) => {}
            Notice::Event(event) => self.on_event(event),
            Notice::Configure(configure) => self.configure(*configure),
            Notice::Ended {
                epoch,
                end_seq,
                end,
            } => {
                // [TP-CLI-3040]
                self.begin_ending(epoch, end_seq, end);
            }
        }
    }

    fn adopt(&mut self, adopted: Adopted) {
        let Adopted {
            mapping,
            geometry,
            adoption,
            client_id,
            stream_id,
            epoch,
            ..
        } = adopted;
        self.stream_id = stream_id;
        if let Adoption::NewEpoch { .. } = adoption {
            self.settle_account();
        }
        let (closing, accounts) = (self.account(), self.ledger.accounts());
        let before = self.accounted.replace(epoch);
        self.client_id = Some(client_id);
        // [TP-CLI-0860] [TP-CLI-1220] [TP-CLI-1240]
        let presence = match adoption {
            Adoption::First | Adoption::OlderEpoch { .. } => Some(Presence::Joined),
            Adoption::NewEpoch { .. } => Some(Presence::FromStart),
            Adoption::SameEpoch => None,
        };
        if let Some(presence) = presence {
            let slot_count = geometry.slot_count();
            self.ledger
                .begin_epoch(presence, self.options.max_outstanding_gap, slot_count);
            if let Some(listener) = &mut self.listener {
                listener.begin_epoch();
            }
        }
        // Taken back when newer ones came after it: its frames are accounted for, and not read.
        let Some(mapping) = mapping.take() else {
            self.tell_closed(closing, accounts);
            if let Some(old) = self.current.take() {
                old.mapping.revoke();
            }
            return;
        };
        let current = Current {
            mapping,
            geometry,
            stream_id,
            epoch,
        };
        let done = match &mut self.intake {
            Intake::Descriptors(_) => self.ledger.last_seq().map_or(0, |last| last.get() + 1),
            Intake::Ring(watch) => {
                let max_gap = self.options.max_outstanding_gap;
                let next = watch.begin(&current, presence, max_gap, &mut self.ledger);
                next.get()
            }
        };
        let old = self.current.replace(current);
        if let Some(old) = old {
            old.mapping.revoke();
        }
        self.tell_closed(closing, accounts);
        let event = match before {
            None => Event::Mapped { epoch },
            Some(old) => {
                self.remaps += u64::from(old != epoch);
                Event::Remapped { old, new: epoch }
            }
        };
        self.fallback = None;
        self.events.push(event);
        // From now on the conductor reports this epoch, and a waiting producer counts us.
        self.shared.done.begin(epoch, done);
    }

    /// Tells of the account that was the last one when there were so many, unless it goes on.
    // [TP-CLI-1305]
    fn tell_closed(&mut self, account: Option<EpochStats>, accounts: u64) {
        if let Some(account) = account.filter(|_| self.ledger.accounts() != accounts) {
            self.events.push(Event::AccountClosed(account));
        }
    }
}
