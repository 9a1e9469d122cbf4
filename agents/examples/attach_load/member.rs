//! One process of the crowd: several consumers in one client, told by lines what to do.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use tensorpool::client::{Consumer, Event, OpenError, Pending};
use tensorpool::codecs::types::ClientId;
use tensorpool::runtime::IdleStrategy;

use crate::options::Options;

/// Ids of the crowd: the same in each round.
const FIRST_ID: u32 = 1_000_000;

pub(crate) fn run(options: &Options, first: usize, count: usize) -> Result<(), Box<dyn Error>> {
    let client = crate::connect(options)?;
    let ids = (first..first + count).map(|index| FIRST_ID + index as u32);
    let pending = ids.map(|id| {
        let consumer = client.consumer(options.stream);
        let pending = consumer.client_id(Some(ClientId::new(id))).open();
        (Instant::now(), pending)
    });
    let mut consumers = answers("attach", pending.collect(), options.patience)?;
    order("read")?;
    read(&mut consumers, options)?;
    order("close")?;
    let pending = consumers
        .into_iter()
        .map(|consumer| (Instant::now(), consumer.close()));
    answers("detach", pending.collect(), options.patience)?;
    Ok(())
}

/// Waits for all answers, and says how long each took.
fn answers<T>(
    what: &str,
    mut pending: Vec<(Instant, Pending<T>)>,
    patience: Duration,
) -> Result<Vec<T>, Box<dyn Error>> {
    let (mut arrived, mut lines) = (Vec::new(), String::new());
    let (started, mut idler) = (Instant::now(), IdleStrategy::default().idler());
    while !pending.is_empty() {
        let before = arrived.len();
        let mut failed = None;
        pending.retain_mut(|(asked, answer)| match answer.poll() {
            None => true,
            Some(Ok(answer)) => {
                lines += &format!("{what} {}\n", asked.elapsed().as_nanos());
                arrived.push(answer);
                false
            }
            Some(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        if started.elapsed() > patience {
            return Err(OpenError::TimedOut { waited: patience }.into());
        }
        idler.idle(arrived.len() - before);
    }
    say(&lines)?;
    Ok(arrived)
}

/// Each consumer reads every frame up to the end of the stream.
fn read(consumers: &mut [Consumer], options: &Options) -> Result<(), Box<dyn Error>> {
    let (started, mut idler) = (Instant::now(), IdleStrategy::default().idler());
    let mut ended = vec![false; consumers.len()];
    while !ended.iter().all(|ended| *ended) {
        let mut work = 0;
        for (consumer, ended) in consumers.iter_mut().zip(&mut ended) {
            work += consumer.poll(|_| {}, 64)?;
            for event in consumer.events() {
                let Event::EndOfStream { counts, .. } = event else {
                    continue;
                };
                if (counts.delivered, counts.lost) != (options.frames, 0) {
                    return Err(format!("expected {} frames: {counts:?}", options.frames).into());
                }
                *ended = true;
            }
        }
        if started.elapsed() > options.patience {
            let stats: Vec<_> = consumers.iter().map(Consumer::stats).collect();
            return Err(format!("not all frames came in time: {stats:?}").into());
        }
        idler.idle(work);
    }
    say("")
}

/// Waits for this order; an end of input is one to go.
fn order(expected: &str) -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, found {line:?}").into())
    }
}

fn say(lines: &str) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.write_all(b"done\n")?;
    Ok(out.flush()?)
}
