//! Many consumers at the same time, in processes of their own, seen from the process that starts them.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tensorpool::client::{Client, FrameMeta};

use crate::latency::{Latencies, Step};
use crate::options::Options;
use crate::traces::Traces;

/// A producer follows no more consumers than this; those beyond it read as well, unwaited for.
const FOLLOWED: usize = 256;
const FRAME: [u8; 64] = [7; 64];

/// Starts the crowd, lets it read a stream, and sends it home.
pub(crate) fn run(
    client: &Client,
    options: &Options,
    leases_before: i64,
    latencies: &mut Latencies,
) -> Result<(), Box<dyn Error>> {
    let producer = client.producer(options.stream).lossless(true);
    let mut producer = producer.wait(options.patience)?;
    let mut members = start(options)?;
    for member in &mut members {
        member.hear("attach", |took| latencies.record(Step::CrowdAttach, took))?;
    }
    let leases = leases_before + 1 + i64::try_from(options.clients)?;
    let there = Traces::read_until(options, |traces| traces.leases == leases)?;
    let (held, counters) = (there.leases, there.counters);
    if held != leases {
        return Err(format!("the driver holds {held} leases, expected {leases}").into());
    }
    println!("{held} leases are held, and {counters} of the media driver's counters in use");
    producer.wait_consumers(options.clients.min(FOLLOWED), options.patience)?;
    for member in &mut members {
        member.say("read")?;
    }
    let meta = FrameMeta::bytes(FRAME.len())?;
    for _ in 0..options.frames {
        producer.wait_room(options.patience)?;
        producer.offer(&meta, &FRAME)?;
    }
    producer.close(options.patience).wait(options.patience)?;
    for member in &mut members {
        member.hear("read", |_| {})?;
    }
    for member in &mut members {
        member.say("close")?;
    }
    for mut member in members {
        member.hear("detach", |took| latencies.record(Step::CrowdDetach, took))?;
        member.end()?;
    }
    Ok(())
}

fn start(options: &Options) -> Result<Vec<Member>, Box<dyn Error>> {
    let (each, more) = (
        options.clients / options.processes,
        options.clients % options.processes,
    );
    let mut first = 0;
    let members = (0..options.processes).map(|index| {
        let count = each + usize::from(index < more);
        let member = Member::start(options, first, count);
        first += count;
        member
    });
    members.collect()
}

/// A process of the crowd. It ends when its standard input does.
struct Member {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Member {
    fn start(options: &Options, first: usize, count: usize) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--stream", &options.stream.to_string()])
            .args(["--frames", &options.frames.to_string()])
            .args(["--patience", &options.patience.as_secs().to_string()])
            .args(["--member-first", &first.to_string()])
            .args(["--member-count", &count.to_string()])
            .arg("--aeron-dir")
            .arg(&options.aeron_dir)
            .arg("--base-dir")
            .arg(&options.base_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take();
        let answers = child.stdout.take().ok_or("no pipe from the child")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }

    fn say(&mut self, order: &str) -> Result<(), Box<dyn Error>> {
        let orders = self.orders.as_mut().ok_or("no pipe to the child")?;
        Ok(writeln!(orders, "{order}")?)
    }

    /// Its answers to one order: `what <nanoseconds>` for each consumer, then `done`.
    fn hear(
        &mut self,
        what: &str,
        mut on_answer: impl FnMut(Duration),
    ) -> Result<(), Box<dyn Error>> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.answers.read_line(&mut line)? == 0 {
                let status = self.child.wait()?;
                return Err(format!("a process of the crowd ended early: {status}").into());
            }
            match line.trim().split_once(' ') {
                Some((of, nanoseconds)) if of == what => {
                    on_answer(Duration::from_nanos(nanoseconds.parse()?));
                }
                None if line.trim() == "done" => return Ok(()),
                _ => return Err(format!("expected {what:?}, found {line:?}").into()),
            }
        }
    }

    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        self.orders = None;
        let status = self.child.wait()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("a process of the crowd failed: {status}").into())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.orders = None;
        let asked = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if asked.elapsed() > Duration::from_secs(2) {
                // It has failed, and whoever failed first says so.
                let _gone = self.child.kill();
                let _reaped = self.child.wait();
                return;
            }
            std::thread::yield_now();
        }
    }
}
