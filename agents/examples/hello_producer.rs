//! Publishes ten small images to stream 10000, once a consumer listens.
//!
//! Needs a media driver and a driver (`agent-runner run media-driver,driver`); run `hello_consumer`
//! beside it: `cargo run -p tensorpool --example hello_producer`.

use std::time::Duration;

use tensorpool::client::{Client, ClientConfig, FrameMeta};
use tensorpool::codecs::types::StreamId;
use tensorpool::codecs::wire::Dtype;

const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(ClientConfig::default())?;
    // Lossless: rather wait for a slow consumer than overwrite what it has not read.
    let mut producer = client
        .producer(StreamId::new(10_000))
        .lossless(true)
        .wait(PATIENCE)?;
    println!(
        "attached as client {:?}, waiting for a consumer",
        producer.client_id()
    );
    producer.wait_consumers(1, PATIENCE)?;

    // What a frame is, checked once: 48 rows of 64 pixels of 16 bits.
    let image = FrameMeta::new(Dtype::Uint16, &[48, 64])?;
    let len = usize::try_from(image.payload_len())?;
    for number in 0..10u16 {
        producer.wait_room(PATIENCE)?;
        // Written in place; `producer.offer(&image, &bytes)` copies bytes that are already there.
        let mut claim = producer.claim(&image, len)?;
        for pixel in claim.payload_mut().chunks_exact_mut(2) {
            pixel.copy_from_slice(&number.to_le_bytes());
        }
        let offered = producer.commit(claim)?;
        println!("frame {}: {:?}", offered.seq, offered.announced);
    }

    // Stays until all consumers have seen the last frame, then gives the stream back.
    let report = producer.close(PATIENCE).wait(PATIENCE)?;
    println!("all seen: {}", report.all_seen);
    Ok(())
}
