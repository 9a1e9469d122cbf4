//! `agent-runner publish`: frames from a file, standard input or a pattern to a stream.

mod describe;
mod epochs;
mod feed;
mod own_memory;
mod publisher;
mod source;
mod stall;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tensorpool::client::{Client, FrameMeta, Producer, ProgressFloors};
use tensorpool::codecs::types::{ClientId, StreamId};
use tensorpool::codecs::wire::{Dtype, MajorOrder};

use crate::args::PublishArgs;
use crate::formats::layout::{FrameLayout, MajorOrder as FileOrder};
use crate::formats::pace::Pace;
use crate::report::failure::misuse;
use crate::report::figures::count_text;
use crate::report::{Reporter, failure};
use crate::signals::StopFlag;

use super::{session, settings};
use publisher::Publisher;
use source::Source;
use stall::Stall;

/// Publishes until the input, the count or the duration ends, or a signal comes.
///
/// # Errors
/// When the input cannot be read, nothing can be attached, or frames do not fit the stream.
pub(super) fn execute(args: &PublishArgs) -> anyhow::Result<ExitCode> {
    let stop = StopFlag::install().context("cannot install signal handlers")?;
    // The input is looked at first: a file that cannot be published needs no driver to be told so.
    let report = Rc::new(Reporter::new(args.aeron.json, false));
    let stall = Rc::new(Stall::new(Rc::clone(&report)));
    let source = match Source::open(args, &stop, &stall) {
        Err(_) if stop.is_set() => {
            session::tell_interrupted(&report, "sent");
            return Ok(report.conclude(ExitCode::SUCCESS));
        }
        opened => opened?,
    };
    let mut meta = frame_meta(source.layout())?;
    if args.progress.is_some() {
        // Rows or columns of which the first are whole first; a tensor that has none counts bytes.
        let unit = meta.layout().outermost_unit();
        meta = meta.with_progress(unit).unwrap_or(meta);
    }
    let metadata = describe::metadata(args, &source)?;
    if args.pace == Pace::Source && source.frame_rate_hz().is_none() {
        return Err(misuse(
            "--pace source: the input declares no rate; give frames per second, or max",
        ));
    }
    let settings = settings::load(&args.aeron, &report)?;
    let config = settings::client_config(&settings, &args.stream, "publish")?;
    let blobs = describe::blobs(args, config.max_blob_len)?;
    let own = own_memory::regions(args, &settings, source.layout().frame_len())?;
    let client = session::beside_core(args.stream.core, || Ok(Client::connect(config)?))?;
    let stream_id = StreamId::new(args.stream.stream);
    let mut builder = client
        .producer(stream_id)
        .client_id(Some(ClientId::new(args.stream.client_id)))
        .publish_mode(settings::publish_mode(&args.stream))
        .lossless(args.lossless)
        .caps_every_mode(args.cap_every_mode);
    if args.progress.is_some() {
        builder = builder.progress(ProgressFloors::default());
    }
    let is_driverless = own.is_some();
    if let Some(regions) = own {
        builder = builder.without_driver(regions);
    }
    let Some(mut producer) = session::open(builder.open(), &stop, &args.stream)? else {
        session::tell_interrupted(&report, "sent");
        return Ok(report.conclude(ExitCode::SUCCESS));
    };
    tell_attached(&report, &producer, source.layout(), is_driverless);
    if let Some(metadata) = metadata {
        let version = producer
            .set_metadata(metadata)
            .context("cannot describe the stream")?;
        report.event(
            "described",
            &format!("described as metadata {version}"),
            json!({ "version": version.get() }),
        );
    }

    let mut publisher = Publisher::new(args, producer, source, meta, stall);
    let outcome = publisher.wait_consumers(&stop, &report).and_then(|came| {
        if came {
            // Once consumers are there: blobs are not repeated.
            publisher.publish_blobs(blobs)?;
            publisher.run(&stop, &report)
        } else {
            Ok(())
        }
    });
    // The summary is the last there is.
    let code = outcome.map_or_else(
        |error| failure::tell(&report, &error),
        |()| ExitCode::SUCCESS,
    );
    // Whatever ended it: consumers get the time to see the frames that are out.
    publisher.finish(&report);
    drop(client);
    Ok(report.conclude(code))
}

fn tell_attached(
    report: &Reporter,
    producer: &Producer,
    layout: &FrameLayout,
    is_driverless: bool,
) {
    let epoch = producer.epoch().map(tensorpool::codecs::types::Epoch::get);
    let client = producer.client_id().map(ClientId::get);
    report.event(
        "attached",
        &format!(
            "publishing {layout} ({}) to stream {}{}: client {}, {} slots",
            count_text(layout.frame_len(), "byte"),
            producer.stream_id(),
            if is_driverless {
                " without a driver"
            } else {
                ""
            },
            client.unwrap_or_default(),
            producer.slot_count().unwrap_or_default(),
        ),
        json!({
            "stream": producer.stream_id().get(),
            "client": client,
            "epoch": epoch,
            "driver": !is_driverless,
            "slots": producer.slot_count(),
            "frame_bytes": layout.frame_len(),
            "pid": std::process::id(),
        }),
    );
}

/// The tensor header of every frame.
fn frame_meta(layout: &FrameLayout) -> anyhow::Result<FrameMeta> {
    let code = layout.element_type.wire_code();
    let dtype = Dtype::from_wire(code).with_context(|| {
        format!(
            "element type {} has no code on the wire",
            layout.element_type
        )
    })?;
    let order = match layout.major_order {
        FileOrder::Row => MajorOrder::Row,
        FileOrder::Column => MajorOrder::Column,
    };
    let dims: Vec<u64> = layout.shape.dims().iter().copied().map(u64::from).collect();
    Ok(FrameMeta::with_order(dtype, order, &dims)?)
}

/// How long a wait of the publishing thread may be before signals and events are looked at again.
const WAIT_SLICE: Duration = Duration::from_millis(2);
