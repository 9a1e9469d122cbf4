//! What the commands print: events, progress and summaries, as text or as JSON lines.
//!
//! Figures are kept in [`figures`], the names of events in [`events`]; nothing here knows where frames come from.

pub mod events;
pub mod failure;
pub mod figures;
mod reporter;

pub use figures::{Figures, LatencySummary};
pub use reporter::{Reporter, Style, warn};
