use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::composite::CompositeAgent;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

type WorkFn = Box<dyn FnMut() -> Result<usize, AgentError> + Send>;

/// Reports each call on a channel; not `Send` on purpose once it is built.
struct Probe {
    calls: Sender<&'static str>,
    work: WorkFn,
    start_error: Option<AgentError>,
    close: Box<dyn FnMut() -> Result<(), AgentError> + Send>,
    _not_send: std::rc::Rc<()>,
}

impl Probe {
    fn new(calls: Sender<&'static str>, work: WorkFn) -> Self {
        let close = Box::new(|| Ok(()));
        Self {
            calls,
            work,
            start_error: None,
            close,
            _not_send: std::rc::Rc::new(()),
        }
    }

    fn report(&self, what: &'static str) {
        let _no_listener = self.calls.send(what);
    }
}

impl Agent for Probe {
    fn name(&self) -> &str {
        "probe"
    }

    fn on_start(&mut self) -> Result<(), AgentError> {
        self.report("start");
        self.start_error.take().map_or(Ok(()), Err)
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        self.report("work");
        (self.work)()
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.report("close");
        (self.close)()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.report("drop");
    }
}

fn spawn(
    config: RunnerConfig,
    build: impl FnOnce(Sender<&'static str>) -> Probe + Send + 'static,
) -> (AgentRunner, Receiver<&'static str>) {
    let (sender, receiver) = channel();
    let runner = AgentRunner::spawn(config, move |_| Ok(build(sender))).expect("a thread");
    (runner, receiver)
}

fn distinct(receiver: &Receiver<&'static str>) -> Vec<&'static str> {
    let mut calls: Vec<_> = receiver.try_iter().collect();
    calls.dedup();
    calls
}

/// Proves [TP-RT-0310].
#[test]
fn runs_on_its_own_named_thread_until_closed() {
    let (mut runner, calls) = spawn(RunnerConfig::new("probe-thread"), |calls| {
        assert_eq!(std::thread::current().name(), Some("probe-thread"));
        Probe::new(calls, Box::new(|| Ok(0)))
    });
    assert_eq!(calls.recv_timeout(LONG), Ok("start"));
    assert_eq!(calls.recv_timeout(LONG), Ok("work"));
    assert!(runner.try_exit().is_none());
    assert!(runner.close(LONG).expect("closes").is_clean());
    assert!(
        runner
            .close(LONG)
            .expect("closing again is answered alike")
            .is_clean()
    );
    assert_eq!(distinct(&calls).last(), Some(&"drop"));
    assert_eq!(runner.progress().phase(), Phase::Done);
}

/// Proves [TP-RT-0320].
#[test]
fn closing_wakes_an_agent_that_sleeps_for_an_hour() {
    let mut config = RunnerConfig::new("sleeper");
    config.idle = "sleep:3600s".parse().expect("parses");
    let (mut runner, calls) = spawn(config, |calls| Probe::new(calls, Box::new(|| Ok(0))));
    assert_eq!(calls.recv_timeout(LONG), Ok("start"));
    assert_eq!(calls.recv_timeout(LONG), Ok("work"));
    assert!(runner.close(LONG).expect("wakes").is_clean());
}

/// Proves [TP-RT-0330].
#[test]
fn failing_agent_idles_between_its_faults() {
    let mut config = RunnerConfig::new("faulty");
    config.idle = "sleep:3600s".parse().expect("parses");
    let errors = config.context.errors.clone();
    let (mut runner, calls) = spawn(config, |calls| {
        Probe::new(
            calls,
            Box::new(|| Err(AgentError::fault("broken", "always"))),
        )
    });
    assert_eq!(calls.recv_timeout(LONG), Ok("start"));
    assert_eq!(calls.recv_timeout(LONG), Ok("work"));
    assert_eq!(
        calls.recv_timeout(SHORT),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    );
    assert!(runner.close(LONG).expect("closes").is_clean());
    assert_eq!(
        errors.snapshot()[0].count,
        1,
        "a fault idles, here for an hour"
    );
}

/// Proves [TP-RT-0340].
#[test]
fn failing_factory_start_and_close_are_told_apart() {
    let mut runner = AgentRunner::spawn(RunnerConfig::new("unbuilt"), |_| {
        Err::<Probe, _>(AgentError::fault("build", "no file"))
    })
    .expect("a thread");
    let exit = runner.wait(LONG).expect("ends").to_string();
    assert_eq!(exit, "could not be built: build: no file");
    assert_eq!(runner.errors().total_count(), 1);

    let (mut runner, calls) = spawn(RunnerConfig::new("unstarted"), |calls| {
        let mut probe = Probe::new(calls, Box::new(|| Ok(0)));
        probe.start_error = Some(AgentError::fault("start", "no"));
        probe
    });
    assert_eq!(
        runner.wait(LONG).expect("ends").to_string(),
        "failed to start: start: no"
    );
    assert_eq!(distinct(&calls), ["start", "close", "drop"]);

    let (mut runner, _calls) = spawn(RunnerConfig::new("unclosed"), |calls| {
        let mut probe = Probe::new(calls, Box::new(|| Ok(0)));
        probe.close = Box::new(|| Err(AgentError::fault("close", "no")));
        probe
    });
    assert_eq!(
        runner.close(LONG).expect("ends").to_string(),
        "failed to close: close: no"
    );
}

#[test]
fn an_agent_may_end_its_own_life() {
    let (mut runner, calls) = spawn(RunnerConfig::new("ender"), |calls| {
        Probe::new(
            calls,
            Box::new(|| Err(AgentError::terminate("eof", "end of input"))),
        )
    });
    let exit = runner.wait(LONG).expect("ends").to_string();
    assert_eq!(exit, "terminated: eof: end of input");
    assert_eq!(distinct(&calls), ["start", "work", "close", "drop"]);
    assert!(runner.try_exit().is_some());
}

/// Proves [TP-RT-0350].
#[test]
fn a_panic_is_reported_and_drops_the_agent_without_closing_it() {
    let (mut runner, calls) = spawn(RunnerConfig::new("broken"), |calls| {
        Probe::new(
            calls,
            Box::new(|| panic!("sequence went back from {} to {}", 5, 3)),
        )
    });
    let exit = runner.wait(LONG).expect("ends").to_string();
    assert_eq!(exit, "panicked: sequence went back from 5 to 3");
    assert_eq!(distinct(&calls), ["start", "work", "drop"]);
    assert!(
        runner.errors().snapshot()[0]
            .text
            .starts_with("broken: panicked")
    );
}

/// Proves [TP-RT-0360].
#[test]
fn an_agent_stuck_in_work_or_on_close_is_named_and_can_be_waited_for_again() {
    for stuck_on_close in [false, true] {
        let (release, released) = bounded::<()>(1);
        let (mut runner, calls) = spawn(RunnerConfig::new("stuck"), move |calls| {
            let block = move || {
                // Ends with the sender, at the latest.
                let _released = released.recv();
            };
            if stuck_on_close {
                let mut probe = Probe::new(calls, Box::new(|| Ok(0)));
                probe.close = Box::new(move || {
                    block();
                    Ok(())
                });
                probe
            } else {
                Probe::new(
                    calls,
                    Box::new(move || {
                        block();
                        Ok(0)
                    }),
                )
            }
        });
        assert_eq!(calls.recv_timeout(LONG), Ok("start"));
        assert_eq!(calls.recv_timeout(LONG), Ok("work"));
        runner.request_close();
        if stuck_on_close {
            while calls.recv_timeout(LONG).expect("reaches close") != "close" {}
        }
        let stuck = runner.close(SHORT).expect_err("is stuck");
        let phase = if stuck_on_close {
            Phase::Closing
        } else {
            Phase::Working
        };
        assert_eq!((stuck.name.as_str(), stuck.phase), ("stuck", phase));
        assert!(
            stuck
                .to_string()
                .contains("did not close within 20ms: still")
        );
        release.send(()).expect("still there");
        assert!(runner.close(LONG).expect("closes in the end").is_clean());
    }
}

/// Proves [TP-RT-0370].
#[test]
fn the_stuck_child_of_a_composite_is_named() {
    let (release, released) = bounded::<()>(1);
    let (calls, seen) = channel();
    let mut runner = AgentRunner::spawn(RunnerConfig::new("all"), move |progress| {
        let block = Box::new(move || {
            let _released = released.recv();
            Ok(0)
        });
        let child: Box<dyn Agent> = Box::new(Probe::new(calls, block));
        Ok(CompositeAgent::new("all", vec![child]).reporting_to(progress))
    })
    .expect("a thread");
    while seen.recv_timeout(LONG).expect("reaches work") != "work" {}
    let stuck = runner.close(SHORT).expect_err("is stuck");
    assert_eq!(stuck.part.as_deref(), Some("probe"));
    assert!(stuck.to_string().ends_with("still working in 'probe'"));
    release.send(()).expect("still there");
    assert!(runner.close(LONG).expect("closes").is_clean());
}

#[test]
fn dropping_a_runner_closes_its_agent() {
    let (runner, calls) = spawn(RunnerConfig::new("dropped"), |calls| {
        Probe::new(calls, Box::new(|| Ok(0)))
    });
    assert_eq!(calls.recv_timeout(LONG), Ok("start"));
    drop(runner);
    assert!(distinct(&calls).ends_with(&["close", "drop"]));
}

/// Proves [TP-RT-0380].
#[test]
fn pins_to_a_core_there_is_and_refuses_one_there_is_not() {
    let core = core_affinity::get_core_ids().expect("cores")[0].id;
    let (sender, receiver) = channel();
    let mut config = RunnerConfig::new("pinned");
    config.core = Some(core);
    let (mut runner, _calls) = spawn(config, move |calls| {
        let allowed = core_affinity::get_core_ids().expect("cores");
        sender
            .send(allowed.iter().map(|core| core.id).collect::<Vec<_>>())
            .expect("heard");
        Probe::new(calls, Box::new(|| Ok(0)))
    });
    assert_eq!(receiver.recv_timeout(LONG).expect("built"), [core]);
    assert!(runner.close(LONG).expect("closes").is_clean());

    let mut config = RunnerConfig::new("nowhere");
    config.core = Some(9_999);
    let refused = AgentRunner::spawn(config, |_| Err::<Probe, _>(AgentError::fault("x", "x")));
    let message = refused.expect_err("refused").to_string();
    assert!(
        message.starts_with("agent 'nowhere' cannot be pinned to core 9999: this process may use")
    );
}
