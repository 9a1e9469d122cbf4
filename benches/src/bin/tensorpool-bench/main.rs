//! Measures latency and throughput between two processes: ours, and what it is held against.
//!
//! `args` becomes a `plan` in `measure`; `pair` runs it in two processes (`role`) over `endpoints`,
//! in ways that `exercises` knows; `rows` says what came out.

mod args;
mod endpoints;
mod exercises;
mod figures;
mod measure;
mod meeting;
mod pair;
mod peer;
mod plan;
mod role;
mod row;
mod rows;
mod scale;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::{Cli, Command, Common};
use crate::plan::Plan;
use crate::row::Row;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Role { side } => role::main(side),
        Command::Floor { common } => run(&common, measure::floor(&common)),
        Command::Aeron {
            common,
            message_len,
            rate,
        } => run(&common, measure::aeron(&common, message_len, rate)),
        Command::Latency {
            common,
            frames,
            rate,
        } => run(&common, measure::latency(&common, &frames, rate)),
        Command::Throughput {
            common,
            frames,
            pacing,
        } => run(&common, measure::throughput(&common, &frames, pacing)),
        Command::Cost { common, frames } => run(&common, measure::cost(&common, &frames)),
        Command::Cping {
            cping,
            cpong,
            message_len,
            common,
        } => peer::run(&common, &peer::Samples { cping, cpong }, message_len)
            .and_then(|row| show(&common, &row)),
        Command::Scale { streams, common } => scale::run(&common, &streams)
            .and_then(|rows| rows.iter().try_for_each(|row| show(&common, row))),
        Command::Memcpy { common, size } => run(&common, measure::memcpy(&common, &size)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tensorpool-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(common: &Common, mut plan: Plan) -> Result<()> {
    let interrupt = pair::Interrupt::install()?;
    let outcomes = pair::run(&mut plan, &common.base_dir, &interrupt)?;
    for row in rows::of(&plan, &outcomes, common.hgrm.as_deref())? {
        show(common, &row)?;
    }
    Ok(())
}

fn show(common: &Common, row: &Row) -> Result<()> {
    match common.json {
        true => println!("{}", serde_json::to_string(row)?),
        false => println!("{}", row.text()),
    }
    Ok(())
}
