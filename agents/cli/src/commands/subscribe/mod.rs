//! `agent-runner subscribe`: frames of a stream to a file, a check, or just figures.

mod described;
mod epochs;
mod prefixes;
mod sink;
mod stdout;
mod subscriber;

use std::process::ExitCode;

use anyhow::Context;
use tensorpool::client::{Client, OwnStreams, ProgressHints};
use tensorpool::codecs::types::{ClientId, StreamId};

use crate::args::{Availability, SubscribeArgs};
use crate::report::failure::misuse;
use crate::report::{Reporter, failure};
use crate::signals::StopFlag;

use super::{session, settings};
use sink::Sink;
use subscriber::Subscriber;

/// Receives until the stream, the count or the duration ends, or a signal comes.
///
/// # Errors
/// When nothing can be attached, or the output cannot be written. Wrong frames are an exit code of 1.
pub(super) fn execute(args: &SubscribeArgs, frames_on_stdout: bool) -> anyhow::Result<ExitCode> {
    if args.own_stream && args.availability == Availability::HeaderRing {
        return Err(misuse(
            "--own-stream asks for descriptors, --availability header-ring does without: choose one",
        ));
    }
    let stop = StopFlag::install().context("cannot install signal handlers")?;
    let sink = Sink::new(args, &stop)?;
    let report = Reporter::new(args.aeron.json, frames_on_stdout);
    let settings = settings::load(&args.aeron, &report)?;
    let config = settings::client_config(&settings, &args.stream, "subscribe")?;
    let client = session::beside_core(args.stream.core, || Ok(Client::connect(config)?))?;
    let mut builder = client
        .consumer(StreamId::new(args.stream.stream))
        .client_id(Some(ClientId::new(args.stream.client_id)))
        .metadata(args.meta)
        .shared_memory(!args.no_shm)
        .publish_mode(settings::publish_mode(&args.stream))
        .max_rate_hz(args.max_rate.unwrap_or(0))
        .availability(args.availability.into());
    if args.no_driver {
        if args.stream.stream == 0 {
            return Err(misuse(
                "--no-driver: --stream 0 would ask a driver for any id; give one",
            ));
        }
        builder = builder.without_driver();
    }
    if args.own_stream {
        let own = OwnStreams::descriptors();
        builder = builder.own_streams(if args.progress {
            own.and_progress()
        } else {
            own
        });
    }
    if args.progress {
        builder = builder
            .progress(ProgressHints::default())
            .read_prefixes(true);
    }
    let Some(consumer) = session::open(builder.open(), &stop, &args.stream)? else {
        session::tell_interrupted(&report, "received");
        // A check that checked nothing has not passed.
        return Ok(if args.verify.is_some() {
            ExitCode::FAILURE
        } else {
            report.conclude(ExitCode::SUCCESS)
        });
    };
    let mut subscriber = Subscriber::new(args, consumer, sink);
    subscriber.tell_attached(&report);
    // Whatever ended it: what was received is completed and told, and the summary is the last.
    let outcome = subscriber.run(&stop, &report).and(subscriber.complete());
    let code = outcome.map_or_else(
        |error| failure::tell(&report, &error),
        |()| ExitCode::SUCCESS,
    );
    let all_good = subscriber.finish(&report);
    drop(client);
    Ok(if all_good {
        report.conclude(code)
    } else {
        ExitCode::FAILURE
    })
}
