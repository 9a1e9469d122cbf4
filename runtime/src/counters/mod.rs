//! Labelled counters: plain single-writer cells, and what an observer needs to name them.
//!
//! The agent counts into [`CounterCell`]s on its own thread; anyone else reads them through
//! [`CounterReader`]s. How they get out of the process (Aeron counters, a file, a screen) is not
//! decided here.

mod cell;
mod kinds;
mod set;

pub use cell::{CounterCell, CounterReader};
pub use kinds::{AgentKind, CounterKind, bridge, common, consumer, driver, producer, supervisor};
pub use set::{CounterEntry, CounterSet, MAX_KEY_LEN, MAX_LABEL_LEN};
