//! Prints the mean of every image on stream 10000 until the stream ends.
//!
//! Needs a media driver and a driver (`agent-runner run media-driver,driver`) and `hello_producer`:
//! `cargo run -p tensorpool --example hello_consumer`.

use std::time::Duration;

use tensorpool::client::{Client, ClientConfig, Event, Frame};
use tensorpool::codecs::types::StreamId;
use tensorpool::runtime::IdleStrategy;

const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(ClientConfig::default())?;
    let mut consumer = client.consumer(StreamId::new(10_000)).wait(PATIENCE)?;
    println!("attached as client {:?}", consumer.client_id());

    let mut idler = IdleStrategy::default().idler();
    loop {
        let count = consumer.poll(print_mean, 10)?;
        idler.idle(count);
        for event in consumer.events() {
            println!("{event:?}");
            if let Event::EndOfStream { counts, .. } = event {
                println!("{} frames, {} of them lost", counts.seen, counts.lost);
                return Ok(());
            }
        }
    }
}

/// Reads the frame where it lies. The result counts only if the producer did not overwrite it
/// meanwhile, which is what `with` finds out.
fn print_mean(frame: &Frame<'_>) {
    let mean = frame.with(|view| {
        let pixels = view.typed::<u16>().ok()?;
        let sum: u64 = (0..pixels.len())
            .filter_map(|i| pixels.get(i))
            .map(u64::from)
            .sum();
        Some(sum as f64 / pixels.len().max(1) as f64)
    });
    match mean {
        Ok(Some(mean)) => println!(
            "frame {} {:?}: mean {mean}",
            frame.seq(),
            frame.tensor().dims()
        ),
        Ok(None) => println!("frame {} is no uint16 image", frame.seq()),
        Err(overwritten) => println!("{overwritten}"),
    }
}
