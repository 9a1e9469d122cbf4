//! How fast a driver grants leases and takes them back, and whether anything of them stays behind.
//!
//! Needs a media driver and a driver (`agent-runner run media-driver,driver`):
//!
//! ```text
//! cargo run --release -p tensorpool --example attach_load -- --cycles 1000 --clients 200
//! ```
//!
//! First one client attaches and detaches so many times as a consumer, then as often as a producer, each
//! of which makes the driver create an epoch. Then consumers are there all at once, spread over
//! processes of their own (`--processes`, 20 by default; each holds several leases in one session with
//! the media driver), and read the same frames without losing one. All that happens twice, with the
//! same client ids: a lease that leaked would be in the way. At the end nothing may be left: no lease,
//! no counter, no log, no epoch beyond those the driver keeps. Exit status 1 if something is.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use tensorpool::client::{Client, ClientConfig};

use crate::latency::Latencies;
use crate::options::{Mode, Options};
use crate::traces::Traces;

mod crowd;
mod cycles;
mod latency;
mod member;
mod options;
mod traces;

/// Everything is done so often, with the same client ids.
const ROUNDS: usize = 2;

fn main() -> ExitCode {
    let done = options::parse(std::env::args().skip(1)).and_then(|mode| match mode {
        Mode::Help => {
            println!("{}", options::HELP);
            Ok(())
        }
        Mode::Load(options) => load(&options),
        Mode::Member(options, first, count) => member::run(&options, first, count),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attach_load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load(options: &Options) -> Result<(), Box<dyn Error>> {
    let before = Traces::read(options)?;
    let started = Instant::now();
    let mut latencies = Latencies::default();
    for _ in 0..ROUNDS {
        let client = connect(options)?;
        let cycles = options.cycles.div_ceil(ROUNDS);
        cycles::consumers(&client, options, cycles, &mut latencies)?;
        cycles::producers(&client, options, cycles, &mut latencies)?;
        crowd::run(&client, options, before.leases, &mut latencies)?;
    }
    print!("{latencies}");
    println!(
        "{} cycles of each kind and {} consumers in {} processes, {ROUNDS} rounds, in {:.1} s",
        options.cycles,
        options.clients,
        options.processes,
        started.elapsed().as_secs_f64()
    );
    let after = Traces::read_until_like(options, &before)?;
    println!("left behind: {}", after.beyond(&before));
    after.check(&before, options)
}

fn connect(options: &Options) -> Result<Client, Box<dyn Error>> {
    let config = ClientConfig {
        name: "attach-load".into(),
        allowed_base_dirs: vec![options.base_dir.clone()],
        attach_timeout: options.patience,
        ..ClientConfig::for_dir(&options.aeron_dir)
    };
    Ok(Client::connect(config)?)
}
