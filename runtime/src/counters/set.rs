//! The counters of one agent with the names an observer shows for them.

use super::cell::{CounterCell, CounterReader};
use super::kinds::{AgentKind, CounterKind};

/// The longest label an Aeron counter holds, in bytes.
pub const MAX_LABEL_LEN: usize = 380;
/// The longest key an Aeron counter holds, in bytes.
pub const MAX_KEY_LEN: usize = 112;

/// One counter as an observer sees it.
#[derive(Clone, Debug)]
pub struct CounterEntry {
    /// Class of the counter, see [`CounterKind::type_id`].
    pub type_id: i32,
    /// `"<Label>: NodeId=<id> Name=<Agent>"`, at most [`MAX_LABEL_LEN`] bytes.
    pub label: String,
    /// The agent id (i64, little-endian) and the bytes of the agent's name, at most [`MAX_KEY_LEN`]
    /// bytes.
    pub key: Vec<u8>,
    /// Where the value is.
    pub reader: CounterReader,
}

/// The counters of one agent, in the order they were added. Filled while the agent is built; cloned
/// or lent to whoever mirrors the values.
#[derive(Clone, Debug)]
pub struct CounterSet {
    agent: AgentKind,
    agent_id: i64,
    agent_name: String,
    entries: Vec<CounterEntry>,
}

impl CounterSet {
    /// An empty set of an agent. `agent_id` is the node or client id the agent is known by, 0 if
    /// none.
    #[must_use]
    pub fn new(agent: AgentKind, agent_id: i64, agent_name: &str) -> Self {
        Self {
            agent,
            agent_id,
            agent_name: agent_name.to_owned(),
            entries: Vec::new(),
        }
    }

    /// Adds a counter at 0 and returns its writing end. Allocates: not for the duty cycle.
    #[must_use]
    pub fn add(&mut self, kind: CounterKind) -> CounterCell {
        self.add_detailed(kind, "")
    }

    /// Like [`add`](Self::add) with `detail` appended to the label, for one counter per stream or
    /// peer.
    #[must_use]
    pub fn add_detailed(&mut self, kind: CounterKind, detail: &str) -> CounterCell {
        let cell = CounterCell::new();
        let separator = if detail.is_empty() { "" } else { " " };
        // [TP-RT-0710]
        let mut label = format!(
            "{}: NodeId={} Name={}{separator}{detail}",
            kind.label, self.agent_id, self.agent_name
        );
        // [TP-RT-0740]
        label.truncate(label.floor_char_boundary(MAX_LABEL_LEN));
        // [TP-RT-0710]
        let mut key = self.agent_id.to_le_bytes().to_vec();
        key.extend_from_slice(self.agent_name.as_bytes());
        // [TP-RT-0740]
        key.truncate(MAX_KEY_LEN);
        let type_id = kind.type_id(self.agent);
        self.entries.push(CounterEntry {
            type_id,
            label,
            key,
            reader: cell.reader(),
        });
        cell
    }

    /// All counters, in the order they were added.
    #[must_use]
    pub fn entries(&self) -> &[CounterEntry] {
        &self.entries
    }

    /// The value of the first counter whose label begins with `label` and a colon.
    #[must_use]
    pub fn value_of(&self, label: &str) -> Option<u64> {
        let found = self.entries.iter().find(|entry| {
            entry
                .label
                .strip_prefix(label)
                .is_some_and(|rest| rest.starts_with(':'))
        })?;
        Some(found.reader.get())
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::{common, consumer};
    use super::*;

    /// Proves [TP-RT-0710].
    #[test]
    fn label_and_key_are_what_the_published_stats_tool_greps_for() {
        let mut set = CounterSet::new(AgentKind::Consumer, 7, "Consumer");
        let drops = set.add(consumer::DROPS_GAP);
        drops.add(3);
        let entry = &set.entries()[0];
        assert_eq!(entry.label, "DropsGap: NodeId=7 Name=Consumer");
        assert_eq!(entry.key, b"\x07\0\0\0\0\0\0\0Consumer");
        assert_eq!(entry.reader.get(), 3);
        assert_eq!(set.value_of("DropsGap"), Some(3));
        assert_eq!(set.value_of("Drops"), None);
    }

    #[test]
    fn detail_tells_equal_counters_apart() {
        let mut set = CounterSet::new(AgentKind::Driver, 1, "Driver");
        let _cell = set.add_detailed(common::ERRORS, "stream=10000");
        assert_eq!(
            set.entries()[0].label,
            "Errors: NodeId=1 Name=Driver stream=10000"
        );
    }

    /// Proves [TP-RT-0740].
    #[test]
    fn long_names_are_cut_to_what_aeron_holds_without_splitting_a_character() {
        let name = "é".repeat(300);
        let mut set = CounterSet::new(AgentKind::Other, 0, &name);
        let _cell = set.add(common::TOTAL_WORK_DONE);
        let entry = &set.entries()[0];
        assert!(entry.label.len() <= MAX_LABEL_LEN);
        assert!(entry.label.ends_with('é'));
        assert_eq!(entry.key.len(), MAX_KEY_LEN);
    }
}
