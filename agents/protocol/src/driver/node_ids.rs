//! Node ids: 1 to 1023 in turn, the same one for a client that comes back, a cooldown before
//! anybody else gets it.

use std::collections::BTreeMap;

use tensorpool_codecs::types::{ClientId, NanoTime, NodeId};

/// Largest id handed out by choice: what the node field of a trace id holds.
pub(super) const MAX_NODE_ID: u32 = 1023;
/// Released ids remembered at most; the longest released are forgotten first.
const MAX_REMEMBERED: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Held,
    Released { at: NanoTime },
}

#[derive(Debug)]
pub(super) struct NodeIds {
    cooldown_ns: u64,
    entries: BTreeMap<NodeId, (ClientId, Hold)>,
    last_chosen: u32,
}

impl NodeIds {
    pub(super) fn new(cooldown_ns: u64) -> Self {
        Self {
            cooldown_ns,
            entries: BTreeMap::new(),
            last_chosen: 0,
        }
    }

    /// Takes `desired` (0 and `None` mean any) for `client`; `None` when it, or every id, is taken
    /// or cooling.
    pub(super) fn acquire(
        &mut self,
        now: NanoTime,
        client: ClientId,
        desired: Option<NodeId>,
    ) -> Option<NodeId> {
        // [TP-DRV-0430] [TP-DRV-0440] [TP-DRV-0450]
        let node_id = match desired.filter(|id| id.get() != 0) {
            Some(id) => Some(id).filter(|id| self.is_open_to(now, client, *id)),
            None => self.last_of(client).or_else(|| self.choose(now, client)),
        }?;
        // [TP-DRV-0420]
        self.entries.insert(node_id, (client, Hold::Held));
        Some(node_id)
    }

    /// Gives an id back; its last holder may take it again at once, others after the cooldown.
    pub(super) fn release(&mut self, now: NanoTime, node_id: NodeId) {
        // [TP-DRV-0460]
        if let Some((_, hold)) = self.entries.get_mut(&node_id) {
            *hold = Hold::Released { at: now };
        }
        // [TP-DRV-0470]
        if self.entries.len() > MAX_REMEMBERED {
            self.forget_oldest();
        }
    }

    pub(super) fn held_count(&self) -> usize {
        self.entries
            .values()
            .filter(|(_, hold)| *hold == Hold::Held)
            .count()
    }

    // [TP-DRV-0420] [TP-DRV-0460]
    fn is_open_to(&self, now: NanoTime, client: ClientId, node_id: NodeId) -> bool {
        match self.entries.get(&node_id) {
            None => true,
            Some((_, Hold::Held)) => false,
            Some((last, Hold::Released { at })) => {
                *last == client || now.since_ns(*at) >= self.cooldown_ns
            }
        }
    }

    // [TP-DRV-0450]
    fn last_of(&self, client: ClientId) -> Option<NodeId> {
        self.entries.iter().find_map(|(id, (last, hold))| {
            (*last == client && *hold != Hold::Held && id.get() <= MAX_NODE_ID).then_some(*id)
        })
    }

    // [TP-DRV-0410]
    fn choose(&mut self, now: NanoTime, client: ClientId) -> Option<NodeId> {
        let start = self.last_chosen;
        let chosen = (0..MAX_NODE_ID)
            .map(|step| NodeId::new((start + step) % MAX_NODE_ID + 1))
            .find(|id| self.is_open_to(now, client, *id))?;
        self.last_chosen = chosen.get();
        Some(chosen)
    }

    // [TP-DRV-0470]
    fn forget_oldest(&mut self) {
        let released = self
            .entries
            .iter()
            .filter_map(|(id, (_, hold))| match hold {
                Hold::Released { at } => Some((*at, *id)),
                Hold::Held => None,
            });
        if let Some((_, id)) = released.min() {
            self.entries.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: NanoTime = NanoTime::new(1_000);
    fn client(id: u32) -> ClientId {
        ClientId::new(id)
    }
    fn node(id: u32) -> Option<NodeId> {
        Some(NodeId::new(id))
    }

    /// Proves [TP-DRV-0440], [TP-DRV-0450].
    #[test]
    fn ids_are_sequential_and_sticky_per_client() {
        let mut ids = NodeIds::new(100);
        assert_eq!(ids.acquire(T0, client(7), None), node(1));
        assert_eq!(ids.acquire(T0, client(8), node(0)), node(2));
        ids.release(T0, NodeId::new(1));
        assert_eq!(ids.acquire(T0, client(9), None), node(3));
        assert_eq!(ids.acquire(T0, client(7), None), node(1));
    }

    /// Proves [TP-DRV-0460].
    #[test]
    fn a_desired_id_is_granted_unless_held_or_cooling_for_another() {
        let mut ids = NodeIds::new(100);
        assert_eq!(ids.acquire(T0, client(7), node(40)), node(40));
        assert_eq!(ids.acquire(T0, client(8), node(40)), None);
        ids.release(T0, NodeId::new(40));
        assert_eq!(ids.acquire(T0.after_ns(99), client(8), node(40)), None);
        assert_eq!(ids.acquire(T0.after_ns(100), client(8), node(40)), node(40));
    }

    /// Proves [TP-DRV-0410].
    #[test]
    fn all_ids_taken_is_an_answer_not_a_loop() {
        let mut ids = NodeIds::new(100);
        for id in 1..=MAX_NODE_ID {
            assert_eq!(ids.acquire(T0, client(id), None), node(id));
        }
        assert_eq!(ids.acquire(T0, client(5_000), None), None);
        ids.release(T0, NodeId::new(17));
        assert_eq!(ids.acquire(T0.after_ns(100), client(5_000), None), node(17));
    }

    /// Proves [TP-DRV-0470].
    #[test]
    fn released_ids_do_not_pile_up() {
        let mut ids = NodeIds::new(100);
        for id in 1..10_000 {
            assert_eq!(
                ids.acquire(T0, client(id), node(id + 2_000)),
                node(id + 2_000)
            );
            ids.release(T0.after_ns(u64::from(id)), NodeId::new(id + 2_000));
        }
        assert!(ids.entries.len() <= MAX_REMEMBERED);
        assert_eq!(ids.held_count(), 0);
    }
}
