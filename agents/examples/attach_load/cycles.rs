//! One client that attaches and detaches, again and again.

use std::error::Error;
use std::time::{Duration, Instant};

use tensorpool::client::Client;

use crate::latency::{Latencies, Step};
use crate::options::Options;

/// The driver has 1,023 node ids, one goes with each lease, and each stays its last holder's for a second: no more
/// leases than that can be granted in one, so a cycle takes at least so long.
const SHORTEST_CYCLE: Duration = Duration::from_micros(2_500);

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
        let closed = Instant::now();
        consumer.close().wait(options.patience)?;
        latencies.record(Step::ConsumerDetach, closed.elapsed());
        std::thread::sleep(SHORTEST_CYCLE.saturating_sub(started.elapsed()));
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
        let closed = Instant::now();
        producer.close(Duration::ZERO).wait(options.patience)?;
        latencies.record(Step::ProducerDetach, closed.elapsed());
        std::thread::sleep(SHORTEST_CYCLE.saturating_sub(started.elapsed()));
    }
    Ok(())
}
