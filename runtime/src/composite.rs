//! Several agents as one: run in turn on one thread.

use std::fmt;

use crate::agent::Agent;
use crate::errors::AgentError;
use crate::progress::Progress;

/// Runs its children in turn, in the order given, and sums their work.
///
/// - Start and close reach every child, also when one of them fails; the failures are returned
///   together.
/// - When a child fails in work, the cycle ends with its error and the next one resumes after it,
///   so a child that always fails takes turns with the others instead of starving them.
/// - A child that asks to terminate ends the whole.
pub struct CompositeAgent {
    name: String,
    children: Vec<Box<dyn Agent>>,
    next_index: usize,
    progress: Progress,
    first_part: usize,
}

impl CompositeAgent {
    /// Composes `children`. The name becomes `name[child,child,..]`. An empty list is an agent that
    /// idles.
    #[must_use]
    pub fn new(name: &str, children: Vec<Box<dyn Agent>>) -> Self {
        let names: Vec<&str> = children.iter().map(|child| child.name()).collect();
        let name = format!("{name}[{}]", names.join(","));
        Self {
            name,
            children,
            next_index: 0,
            progress: Progress::new(),
            first_part: 0,
        }
        .reporting_to(&Progress::new())
    }

    /// Tells `progress` which child is being called, so that a runner can name the one that is
    /// stuck.
    /// [TP-RT-0370]
    #[must_use]
    pub fn reporting_to(mut self, progress: &Progress) -> Self {
        self.progress = progress.clone();
        let names = self.children.iter().map(|child| child.name().to_owned());
        self.first_part = self.progress.register_parts(names);
        self
    }

    /// How many children there are.
    #[must_use]
    pub fn child_count(&self) -> usize {
        self.children.len()
    }

    fn for_each_child(
        &mut self,
        stage: &'static str,
        mut call: impl FnMut(&mut dyn Agent) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        let child_count = self.children.len();
        let mut failures = Vec::new();
        let mut is_terminate = false;
        for (index, child) in self.children.iter_mut().enumerate() {
            // [TP-RT-0370]
            self.progress.enter_part(self.first_part + index);
            // [TP-RT-0230]
            if let Err(error) = call(child.as_mut()) {
                // [TP-RT-0240]
                is_terminate |= error.is_terminate();
                failures.push((child.name().to_owned(), error));
            }
        }
        self.progress.leave_parts();
        if failures.is_empty() {
            return Ok(());
        }
        let source = Box::new(ChildrenFailed {
            stage,
            child_count,
            failures,
        });
        let code = "children-failed";
        Err(if is_terminate {
            AgentError::Terminate { code, source }
        } else {
            AgentError::Fault { code, source }
        })
    }
}

impl Agent for CompositeAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_start(&mut self) -> Result<(), AgentError> {
        self.for_each_child("start", |child| child.on_start())
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        let mut work = 0;
        // [TP-RT-0220]
        let first_index = self.next_index;
        for (offset, child) in self.children[first_index..].iter_mut().enumerate() {
            let index = first_index + offset;
            // [TP-RT-0370]
            self.progress.enter_part(self.first_part + index);
            // [TP-RT-0210]
            match child.do_work() {
                Ok(done) => work += done,
                Err(error) => {
                    // [TP-RT-0220]
                    self.next_index = (index + 1) % self.children.len();
                    self.progress.leave_parts();
                    // [TP-RT-0240]
                    return Err(error);
                }
            }
        }
        self.next_index = 0;
        self.progress.leave_parts();
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.for_each_child("close", |child| child.on_close())
    }
}

impl fmt::Debug for CompositeAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompositeAgent")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct ChildrenFailed {
    stage: &'static str,
    child_count: usize,
    failures: Vec<(String, AgentError)>,
}

impl fmt::Display for ChildrenFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stage,
            child_count,
            failures,
        } = self;
        write!(
            f,
            "{} of {child_count} agents failed to {stage}",
            failures.len()
        )?;
        for (name, error) in failures {
            write!(f, "; {name}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ChildrenFailed {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::scripted::{Journal, Scripted, fault, terminate};

    fn composite(children: Vec<Scripted>) -> CompositeAgent {
        let children = children
            .into_iter()
            .map(|child| Box::new(child) as Box<dyn Agent>)
            .collect();
        CompositeAgent::new("all", children)
    }

    /// Proves [TP-RT-0210].
    #[test]
    fn work_is_summed_over_children_in_order() {
        let journal = Journal::default();
        let mut agent = composite(vec![
            Scripted::new("a", &journal, |_| Ok(1)),
            Scripted::new("b", &journal, |_| Ok(0)),
            Scripted::new("c", &journal, |_| Ok(5)),
        ]);
        assert_eq!(agent.name(), "all[a,b,c]");
        agent.on_start().expect("starts");
        assert_eq!(agent.do_work().expect("works"), 6);
        agent.on_close().expect("closes");
        let expected = [
            "a start", "b start", "c start", "a work", "b work", "c work", "a close", "b close",
            "c close",
        ];
        assert_eq!(*journal.borrow(), expected);
    }

    /// Proves [TP-RT-0220].
    #[test]
    fn resumes_after_a_failing_child_and_then_starts_over() {
        let journal = Journal::default();
        let mut agent = composite(vec![
            Scripted::new("a", &journal, |_| Ok(1)),
            Scripted::new("b", &journal, |_| Err(fault("b broke"))),
            Scripted::new("c", &journal, |_| Ok(4)),
        ]);
        assert!(agent.do_work().is_err());
        assert_eq!(agent.do_work().expect("resumes"), 4);
        assert!(agent.do_work().is_err());
        let expected = ["a work", "b work", "c work", "a work", "b work"];
        assert_eq!(*journal.borrow(), expected);
    }

    /// Proves [TP-RT-0220].
    #[test]
    fn failing_last_child_wraps_to_the_first() {
        let journal = Journal::default();
        let mut agent = composite(vec![
            Scripted::new("a", &journal, |_| Ok(1)),
            Scripted::new("b", &journal, |_| Err(fault("b broke"))),
        ]);
        assert!(agent.do_work().is_err());
        assert!(agent.do_work().is_err());
        assert_eq!(*journal.borrow(), ["a work", "b work", "a work", "b work"]);
    }

    /// Proves [TP-RT-0230].
    #[test]
    fn every_child_is_started_and_closed_when_some_fail() {
        let journal = Journal::default();
        let mut first = Scripted::new("a", &journal, |_| Ok(0));
        first.start = Some(fault("no start"));
        first.close = Some(fault("no close"));
        let mut agent = composite(vec![first, Scripted::new("b", &journal, |_| Ok(0))]);
        let error = agent.on_start().unwrap_err();
        let expected = "children-failed: 1 of 2 agents failed to start; a: test-fault: no start";
        assert_eq!(error.to_string(), expected);
        assert!(!error.is_terminate());
        let error = agent.on_close().unwrap_err();
        assert!(error.to_string().contains("failed to close"));
        assert_eq!(
            *journal.borrow(),
            ["a start", "b start", "a close", "b close"]
        );
    }

    /// Proves [TP-RT-0240].
    #[test]
    fn a_child_that_terminates_ends_the_whole() {
        let journal = Journal::default();
        let mut agent = composite(vec![
            Scripted::new("a", &journal, |_| Err(terminate("done"))),
            Scripted::new("b", &journal, |_| Ok(1)),
        ]);
        assert!(agent.do_work().unwrap_err().is_terminate());
    }

    /// Proves [TP-RT-0230], [TP-RT-0240].
    #[test]
    fn a_child_that_terminates_among_others_that_fail_ends_the_whole_and_stops_no_sibling() {
        for terminating in 0..3 {
            let journal = Journal::default();
            let children = ["a", "b", "c"].iter().enumerate().map(|(index, name)| {
                let mut child = Scripted::new(name, &journal, |_| Ok(0));
                let failure = |text| match index == terminating {
                    true => Some(terminate(text)),
                    false => Some(fault(text)),
                };
                (child.start, child.close) = (failure("no start"), failure("no close"));
                child
            });
            let mut agent = composite(children.collect());
            assert!(agent.on_start().unwrap_err().is_terminate());
            assert!(agent.on_close().unwrap_err().is_terminate());
            let expected = [
                "a start", "b start", "c start", "a close", "b close", "c close",
            ];
            assert_eq!(*journal.borrow(), expected);
        }
    }

    #[test]
    fn an_empty_composite_idles() {
        let mut agent = composite(Vec::new());
        assert_eq!(agent.child_count(), 0);
        assert_eq!(agent.do_work().expect("idles"), 0);
    }

    /// Writes down which child the progress names while it is called.
    struct Watching(Progress, Journal);

    impl Watching {
        fn look(&self) {
            let part = self.0.current_part().unwrap_or_default();
            self.1.borrow_mut().push(part);
        }
    }

    impl Agent for Watching {
        fn name(&self) -> &str {
            "watching"
        }

        fn on_start(&mut self) -> Result<(), AgentError> {
            self.look();
            Ok(())
        }

        fn do_work(&mut self) -> Result<usize, AgentError> {
            self.look();
            Ok(0)
        }

        fn on_close(&mut self) -> Result<(), AgentError> {
            self.look();
            Ok(())
        }
    }

    /// Proves [TP-RT-0370].
    #[test]
    fn progress_names_the_child_that_is_being_called_of_the_second_composite_as_well() {
        let (progress, seen) = (Progress::new(), Journal::default());
        for name in ["first", "second"] {
            let broken = Scripted::new("broken", &Journal::default(), |_| Err(fault("broke")));
            let children: Vec<Box<dyn Agent>> = vec![
                Box::new(Scripted::new("idle", &Journal::default(), |_| Ok(0))),
                Box::new(broken),
                Box::new(Watching(progress.clone(), seen.clone())),
            ];
            let mut agent = CompositeAgent::new(name, children).reporting_to(&progress);
            agent.on_start().expect("starts");
            assert!(agent.do_work().is_err());
            assert_eq!(progress.current_part(), None);
            agent.do_work().expect("goes on with the one that watches");
            agent.on_close().expect("closes");
            assert_eq!(seen.take(), ["watching"; 3], "{name}");
            assert_eq!(progress.current_part(), None);
        }
    }
}
