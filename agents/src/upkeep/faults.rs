//! Faults an agent survives.

use std::collections::VecDeque;

use tensorpool_runtime::AgentError;

/// Faults waiting to be reported, at most.
const MAX_FAULTS: usize = 16;

/// Faults that wait for the end of a duty cycle, which can report one.
#[derive(Debug)]
pub(crate) struct Faults(VecDeque<AgentError>);

impl Default for Faults {
    fn default() -> Self {
        Self(VecDeque::with_capacity(MAX_FAULTS))
    }
}

impl Faults {
    /// Keeps one. When too many come at once, the newest are left out.
    pub(crate) fn keep(&mut self, code: &'static str, text: String) {
        if self.0.len() < MAX_FAULTS {
            self.0.push_back(AgentError::fault(code, text));
        }
    }

    /// What the duty cycle is to return: the oldest fault, or what it has done.
    pub(crate) fn conclude(&mut self, work_count: usize) -> Result<usize, AgentError> {
        self.0.pop_front().map_or(Ok(work_count), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_reported_one_per_cycle_and_the_oldest_first() {
        let mut faults = Faults::default();
        faults.keep("a", "first".into());
        faults.keep("b", "second".into());
        assert!(
            faults
                .conclude(1)
                .unwrap_err()
                .to_string()
                .contains("first")
        );
        assert!(
            faults
                .conclude(1)
                .unwrap_err()
                .to_string()
                .contains("second")
        );
        assert_eq!(faults.conclude(7).unwrap(), 7);
    }

    #[test]
    fn a_flood_of_faults_is_cut_off() {
        let mut faults = Faults::default();
        for _ in 0..=MAX_FAULTS {
            faults.keep("flood", String::new());
        }
        let reported = (0..MAX_FAULTS).filter(|_| faults.conclude(0).is_err());
        assert_eq!(reported.count(), MAX_FAULTS);
        assert!(faults.conclude(0).is_ok());
    }
}
