//! What the commands print: events, progress and summaries, as text or as JSON lines.
//!
//! Figures are kept in [`figures`]; nothing here knows where frames come from.

pub mod figures;
mod reporter;

pub use figures::{Figures, LatencySummary};
pub use reporter::{Reporter, Style, warn};
