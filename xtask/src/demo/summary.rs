//! The summaries that `publish --json` and `subscribe --json` end with.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::stage::summary::parse;

/// What a producer says at its end.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Sent {
    /// Frames published.
    pub(super) frames: u64,
}

/// What a consumer says at its end.
#[derive(Debug, Deserialize)]
pub(super) struct Received {
    /// Frames validated.
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// Frames lost, by cause.
    pub(super) drops: BTreeMap<String, u64>,
    /// None when no frame carried a publish time.
    pub(super) latency_ns: Option<Latency>,
    /// Frames whose bytes were wrong although they were validated.
    pub(super) wrong: u64,
}

/// One-way latency.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p99: u64,
}

impl Sent {
    pub(super) fn parse(output: &str) -> Option<Self> {
        parse(output)
    }
}

impl Received {
    pub(super) fn parse(output: &str) -> Option<Self> {
        parse(output)
    }

    /// Frames lost to any cause.
    pub(super) fn dropped(&self) -> u64 {
        self.drops.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = r#"{"event":"summary","frames":90,"bytes":900,"seconds":1.5,"wrong":0,
        "drops":{"gap":7,"late":3},"latency_ns":{"p50":900,"p99":1200,"p99.9":1500,"max":2000}}"#;

    #[test]
    fn summary_is_the_last_line() {
        let output = format!(
            "{{\"event\":\"progress\"}}\n{}\n",
            SUMMARY.replace('\n', "")
        );
        let received = Received::parse(&output).unwrap();
        assert_eq!((received.frames, received.dropped()), (90, 10));
        assert_eq!(received.latency_ns.unwrap().p99, 1200);
        assert_eq!(Sent::parse(&output).unwrap().frames, 90);
    }

    #[test]
    fn output_cut_off_before_the_summary_is_none() {
        assert!(Sent::parse("{\"event\":\"progress\",\"frames\":1}\n").is_none());
        assert!(Sent::parse("").is_none());
    }
}
