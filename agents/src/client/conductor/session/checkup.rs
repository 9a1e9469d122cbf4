//! Looking after the memory in use, once per announce period and when another epoch is announced.

use tensorpool_codecs::types::Epoch;
use tensorpool_protocol::client::Announce;
use tensorpool_protocol::common::Role;
use tensorpool_shm::driver::is_process_alive;

use super::{Context, Session, Side};

impl Session {
    /// Once per announce period: a producer shows that it lives, a consumer looks whether its
    /// mapping still is what it was.
    pub(super) fn check_up(&mut self, ctx: &mut Context<'_>) -> usize {
        // [TP-CLI-0820] [TP-CLI-1480]
        if !self.checkup.is_due(ctx.now) {
            return 0;
        }
        self.checkup.on_sent(ctx.now);
        let Some(mapping) = &self.current else {
            return 0;
        };
        let epoch = mapping.epoch();
        let sound = match self.role {
            Role::Producer => {
                // [TP-CLI-1480] [TP-CLI-3232]
                let is_refreshed = mapping.refresh_activity(ctx.now);
                // [TP-CLI-0420] [TP-CLI-3120]
                is_refreshed && self.tenure.is_memory_whole()
            }
            Role::Consumer => {
                let is_creator_gone = self.creator_seen && !is_process_alive(mapping.pid());
                if is_creator_gone {
                    self.mapping.on_creator_gone(ctx.now, epoch);
                }
                // [TP-CLI-0820]
                let (activity, pid) = (mapping.activity(), mapping.current_pid());
                let sound = mapping.revalidate().is_ok() || pid != mapping.pid();
                self.mapping.on_superblock(ctx.now, epoch, activity, pid);
                if !sound {
                    // [TP-CLI-0830]
                    self.mapping.on_memory_damaged(ctx.now, epoch);
                }
                !sound || !self.side.has_restarted(epoch)
            }
        };
        match self.role {
            _ if sound => {}
            // Sequence numbers cannot start over within an epoch.
            // [TP-CLI-0420]
            Role::Producer => self.tenure.on_memory_damaged(ctx.now),
            // [TP-CLI-0830]
            Role::Consumer => self.mapping.on_unusable(ctx.now, epoch),
        }
        self.settle(ctx);
        1
    }

    /// A new epoch is announced: whoever made the one in use may be gone, which is told first.
    pub(super) fn look_after_creator(&mut self, ctx: &mut Context<'_>, announce: &Announce) {
        let Some(mapping) = &self.current else {
            return;
        };
        let is_news = self.tenure.stream_id() == Some(announce.stream_id)
            && mapping.epoch() != announce.epoch;
        if is_news && self.creator_seen && !is_process_alive(mapping.pid()) {
            self.mapping.on_creator_gone(ctx.now, mapping.epoch());
            self.settle(ctx);
        }
    }
}

impl Side {
    fn has_restarted(&self, epoch: Epoch) -> bool {
        match self {
            Self::Producer(_) => false,
            Self::Consumer(side) => side.has_restarted(epoch),
        }
    }
}
