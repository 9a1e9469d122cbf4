//! `agent-runner run`: roles in one process until a signal ends them.

mod driver;
mod media_driver;
mod supervision;
mod supervisor;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use tensorpool::runtime::{
    Agent, AgentError, AgentRunner, CompositeAgent, IdleStrategy, RunnerConfig,
};
use tensorpool::supervisor::Answering;

use crate::args::{Role, RunArgs, Threading};
use crate::report::Reporter;
use crate::report::failure::misuse;
use crate::signals::{LookFlag, StopFlag};

use super::settings;
use driver::DriverRole;
use supervisor::SupervisorRole;

/// How often signals, exits and events are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long an agent may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds an agent on the thread it will live on.
type AgentFactory = Box<dyn FnOnce() -> Result<Box<dyn Agent>, AgentError> + Send>;

/// Runs the roles until a signal or an agent's end.
///
/// # Errors
/// When a role cannot be started, or ends by itself.
pub(super) fn execute(args: &RunArgs) -> anyhow::Result<ExitCode> {
    for (index, role) in args.roles.iter().enumerate() {
        if args.roles[..index].contains(role) {
            return Err(misuse(format!("role {role} is given twice")));
        }
    }
    let is_missing =
        |core: &usize| !Path::new(&format!("/sys/devices/system/cpu/cpu{core}")).exists();
    if let Some(missing) = args.cores.iter().copied().find(is_missing) {
        return Err(misuse(format!(
            "--cores: this machine has no core {missing}"
        )));
    }
    let stop = StopFlag::install().context("cannot install signal handlers")?;
    let report = Reporter::new(args.aeron.json, false);
    let settings = settings::load(&args.aeron, &report)?;

    // Started first, ended last: dropping it is what ends it.
    let media_driver = args
        .roles
        .contains(&Role::MediaDriver)
        .then(|| media_driver::start(args, &settings, &report))
        .transpose()?;
    let mut running = Running::default();
    let mut factories: Vec<(Role, AgentFactory)> = Vec::new();
    for &role in &args.roles {
        match role {
            Role::MediaDriver => {}
            Role::Driver => {
                let (driver, mut factory) = DriverRole::prepare(&settings, &report)?;
                running.driver = Some(driver);
                if let Some(answering) = supervision::beside_a_driver(&settings, &args.roles) {
                    let (supervisor, with) = SupervisorRole::prepare(&settings, answering)?;
                    running.supervisor = Some(supervisor);
                    factory = together(factory, with);
                }
                factories.push((role, factory));
            }
            Role::Supervisor => {
                let answering = Answering::EveryHello;
                let (supervisor, factory) = SupervisorRole::prepare(&settings, answering)?;
                running.supervisor = Some(supervisor);
                factories.push((role, factory));
            }
        }
    }
    if running.supervisor.is_some() {
        let look = LookFlag::install().context("cannot install a signal handler")?;
        running.look = Some(look);
    }
    let mut runners = spawn(args, factories)?;
    let outcome = supervise(&stop, &report, &mut runners, &running);
    report.event("draining", "draining", json!({}));
    let closed = close(&mut runners);
    running.tell(&report);
    drop(media_driver);
    outcome?;
    closed?;
    report.event("stopped", "stopped", json!({}));
    Ok(report.conclude(ExitCode::SUCCESS))
}

/// What the main thread keeps of the roles.
#[derive(Default)]
struct Running {
    driver: Option<DriverRole>,
    supervisor: Option<SupervisorRole>,
    look: Option<LookFlag>,
}

impl Running {
    /// Tells what has happened since the last call.
    fn tell(&self, report: &Reporter) {
        if let Some(driver) = &self.driver {
            driver.tell_events(report);
        }
        if let Some(supervisor) = &self.supervisor {
            supervisor.tell_notices(report);
            if self.look.as_ref().is_some_and(LookFlag::take) {
                supervisor.show(report);
            }
        }
    }
}

/// A driver and the supervisor its configuration brings, on the driver's thread.
fn together(driver: AgentFactory, supervisor: AgentFactory) -> AgentFactory {
    Box::new(move || {
        let children = vec![driver()?, supervisor()?];
        Ok(Box::new(CompositeAgent::new("driver", children)) as Box<dyn Agent>)
    })
}

fn spawn(args: &RunArgs, factories: Vec<(Role, AgentFactory)>) -> anyhow::Result<Vec<AgentRunner>> {
    if factories.is_empty() {
        return Ok(Vec::new());
    }
    let config = |name: &str, core: Option<usize>| RunnerConfig {
        idle: args.idle.unwrap_or(IdleStrategy::PATIENT_BACKOFF),
        core,
        ..RunnerConfig::new(name)
    };
    match args.threading {
        Threading::Shared => {
            let config = config("agents", args.cores.first().copied());
            let runner = AgentRunner::spawn(config, move |progress| {
                let children: Result<Vec<_>, _> = factories
                    .into_iter()
                    .map(|(_, factory)| factory())
                    .collect();
                Ok(CompositeAgent::new("agents", children?).reporting_to(progress))
            })?;
            Ok(vec![runner])
        }
        Threading::Dedicated => factories
            .into_iter()
            .enumerate()
            .map(|(index, (role, factory))| {
                let config = config(&role.to_string(), args.cores.get(index).copied());
                Ok(AgentRunner::spawn(config, move |_| factory())?)
            })
            .collect(),
    }
}

/// Waits for a signal; tells what happens meanwhile.
fn supervise(
    stop: &StopFlag,
    report: &Reporter,
    runners: &mut [AgentRunner],
    running: &Running,
) -> anyhow::Result<()> {
    while !stop.is_set() {
        running.tell(report);
        for runner in &mut *runners {
            let name = runner.name().to_owned();
            if let Some(exit) = runner.try_exit() {
                bail!("{name} ended: {exit}");
            }
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}

fn close(runners: &mut [AgentRunner]) -> anyhow::Result<()> {
    for runner in &*runners {
        runner.request_close();
    }
    for runner in runners {
        let name = runner.name().to_owned();
        let exit = runner.close(CLOSE_TIMEOUT)?;
        if !exit.is_clean() {
            bail!("{name} {exit}");
        }
    }
    Ok(())
}
