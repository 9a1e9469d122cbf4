//! One client that attaches and detaches, again and again.

use std::error::Error;
use std::time::{Duration, Instant};

use tensorpool::client::Client;

use crate::latency::{Latencies, Step};
use crate::options::Options;

pub(crate) fn consumers(
    client: &Client,
    options: &Options,
    cycles: usize,
    latencies: &mut Latencies,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..cycles {
        let started = Instant::now();
        let consumer = client.consumer(options.stream).wait(options.patience)?;
        latencies.record(Step::ConsumerAttach, started.elapsed());
        let started = Instant::now();
        consumer.close().wait(options.patience)?;
        latencies.record(Step::ConsumerDetach, started.elapsed());
    }
    Ok(())
}

pub(crate) fn producers(
    client: &Client,
    options: &Options,
    cycles: usize,
    latencies: &mut Latencies,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..cycles {
        let started = Instant::now();
        let producer = client.producer(options.stream).wait(options.patience)?;
        latencies.record(Step::ProducerAttach, started.elapsed());
        let started = Instant::now();
        producer.close(Duration::ZERO).wait(options.patience)?;
        latencies.record(Step::ProducerDetach, started.elapsed());
    }
    Ok(())
}
