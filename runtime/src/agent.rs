//! The one trait everything that has a duty cycle implements.

use crate::errors::AgentError;

/// Something that does a bounded amount of work each time it is called and never blocks.
///
/// An agent lives on one thread from birth to death and need not be `Send`: it is built there by a
/// factory that is. Calls come in the order `on_start`, any number of `do_work`, `on_close`; see
/// [`AgentInvoker`](crate::AgentInvoker) for what happens when one of them fails.
pub trait Agent {
    /// Who this is, in thread names, logs and counters. Constant.
    fn name(&self) -> &str;

    /// Called once, before any work. An error of either tier means that the agent never runs.
    fn on_start(&mut self) -> Result<(), AgentError> {
        Ok(())
    }

    /// Does what there is to do, within limits, and returns how much that was; 0 means idle. After
    /// an [`AgentError::Fault`] it is called again, after an [`AgentError::Terminate`] it is not.
    fn do_work(&mut self) -> Result<usize, AgentError>;

    /// Called exactly once on every way out, also when `on_start` failed or was never reached. Not
    /// called after a panic.
    fn on_close(&mut self) -> Result<(), AgentError> {
        Ok(())
    }
}

impl<A: Agent + ?Sized> Agent for Box<A> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn on_start(&mut self) -> Result<(), AgentError> {
        (**self).on_start()
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        (**self).do_work()
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        (**self).on_close()
    }
}

#[cfg(test)]
pub(crate) mod scripted {
    //! An agent that does what a test tells it to and writes down what was asked of it.

    use std::cell::RefCell;
    use std::rc::Rc;

    use super::{Agent, AgentError};

    pub(crate) type Journal = Rc<RefCell<Vec<String>>>;
    type Work = Box<dyn FnMut(u64) -> Result<usize, AgentError>>;

    pub(crate) struct Scripted {
        name: &'static str,
        journal: Journal,
        calls: u64,
        pub(crate) start: Option<AgentError>,
        pub(crate) close: Option<AgentError>,
        work: Work,
    }

    impl Scripted {
        /// `work` is told the number of earlier calls.
        pub(crate) fn new(
            name: &'static str,
            journal: &Journal,
            work: impl FnMut(u64) -> Result<usize, AgentError> + 'static,
        ) -> Self {
            let journal = Rc::clone(journal);
            Self {
                name,
                journal,
                calls: 0,
                start: None,
                close: None,
                work: Box::new(work),
            }
        }

        fn note(&self, what: &str) {
            self.journal
                .borrow_mut()
                .push(format!("{} {what}", self.name));
        }
    }

    impl Agent for Scripted {
        fn name(&self) -> &str {
            self.name
        }

        fn on_start(&mut self) -> Result<(), AgentError> {
            self.note("start");
            self.start.take().map_or(Ok(()), Err)
        }

        fn do_work(&mut self) -> Result<usize, AgentError> {
            self.note("work");
            self.calls += 1;
            (self.work)(self.calls - 1)
        }

        fn on_close(&mut self) -> Result<(), AgentError> {
            self.note("close");
            self.close.take().map_or(Ok(()), Err)
        }
    }

    pub(crate) fn fault(what: &'static str) -> AgentError {
        AgentError::fault("test-fault", what)
    }

    pub(crate) fn terminate(what: &'static str) -> AgentError {
        AgentError::terminate("test-end", what)
    }
}
