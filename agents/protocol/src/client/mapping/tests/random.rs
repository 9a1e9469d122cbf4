//! Random histories of everything that can happen to a mapping.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Grant(u64),
    Lost,
    Announce(u64),
    Mapped,
    Failed,
    Revoked(bool),
    Superblock(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..2_000).prop_map(Step::Pass),
        (1u64..9).prop_map(Step::Grant),
        Just(Step::Lost),
        (1u64..9).prop_map(Step::Announce),
        Just(Step::Mapped),
        Just(Step::Failed),
        any::<bool>().prop_map(Step::Revoked),
        (0u64..6_000, 0u64..3).prop_map(|(age, pid)| Step::Superblock(age, pid)),
    ]
}

proptest! {
    #[test]
    fn random_histories_keep_the_promises(steps in prop::collection::vec(step(), 1..150)) {
        let mut core = consumer();
        let mut ms = 10_000;
        let mut outstanding: Vec<MapTicket> = Vec::new();
        let mut in_use: Option<Epoch> = None;
        for step in steps {
            match step {
                Step::Pass(delta) => {
                    ms += delta;
                    core.on_timeout(at(ms));
                }
                Step::Grant(epoch) => core.on_granted(at(ms), &regions(epoch)),
                Step::Lost => core.on_lost(at(ms)),
                Step::Announce(epoch) => hear(&mut core, ms, epoch),
                Step::Mapped => if let Some(ticket) = outstanding.pop() {
                    core.on_mapped(at(ms), ticket);
                },
                Step::Failed => if let Some(ticket) = outstanding.pop() {
                    core.on_map_failed(at(ms), ticket);
                },
                Step::Revoked(detached) => {
                    let reason = if detached { LeaseRevokeReason::Detached } else { LeaseRevokeReason::Expired };
                    core.on_lease_revoked(at(ms), &revoked(PRODUCER, reason));
                }
                Step::Superblock(age, pid) => if let Some(epoch) = core.mapped_epoch() {
                    core.on_superblock(at(ms), epoch, at(ms - age.min(ms)), pid);
                },
            }
            let mut ended = None;
            for action in actions(&mut core) {
                match action {
                    MappingAction::Map { ticket, .. } => outstanding.push(ticket),
                    MappingAction::Adopt { epoch, .. } => in_use = Some(epoch),
                    MappingAction::Revoke { epoch } => {
                        prop_assert_eq!(in_use.take(), Some(epoch), "only what is in use is revoked");
                    }
                    MappingAction::SourceEnded { epoch, .. } => {
                        prop_assert_ne!(ended.replace(epoch), Some(epoch), "told once");
                    }
                    MappingAction::Discard { .. }
                    | MappingAction::SourceStale { .. }
                    | MappingAction::Unreadable { .. }
                    | MappingAction::RetryMap { .. } => {}
                }
            }
            prop_assert!(outstanding.len() <= 1, "one request at a time");
            prop_assert_eq!(core.mapped_epoch(), in_use, "the core and its owner agree");
        }
    }
}
