//! What a duty cycle costs when there is nothing to do, what idling costs, and what is parsed when
//! a program starts.

use std::hint::black_box;

use agent_runner::config::{Environment, default_config_text, parse};
use criterion::{Criterion, criterion_group, criterion_main};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::errors::DistinctErrorLog;
use tensorpool::runtime::{
    Agent, AgentError, AgentInvoker, CompositeAgent, IdleStrategy, InvokerContext,
};
use tensorpool::shm::uri::ShmUri;
use tensorpool::transport::Channel;

/// Has nothing to do.
struct Idle;

impl Agent for Idle {
    fn name(&self) -> &str {
        "idle"
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        Ok(black_box(0))
    }
}

fn duty_cycles(c: &mut Criterion) {
    let mut group = c.benchmark_group("runtime");
    group.bench_function("idle_agent", |b| {
        let mut agent: Box<dyn Agent> = black_box(Box::new(Idle));
        b.iter(|| agent.do_work().is_ok());
    });
    group.bench_function("composite_of_4_idle_agents", |b| {
        let children: Vec<Box<dyn Agent>> = (0..4).map(|_| Box::new(Idle) as _).collect();
        let mut agent = black_box(CompositeAgent::new("four", children));
        b.iter(|| agent.do_work().is_ok());
    });
    group.bench_function("invoker_of_an_idle_agent", |b| {
        let agent: Box<dyn Agent> = Box::new(Idle);
        let context = InvokerContext::new(DistinctErrorLog::default());
        let mut invoker = AgentInvoker::new(agent, context);
        invoker.start().expect("an idle agent starts");
        b.iter(|| black_box(&mut invoker).invoke());
    });
    group.bench_function("clock", |b| b.iter(monotonic_ns));
    group.finish();
}

fn idling(c: &mut Criterion) {
    let mut group = c.benchmark_group("idle");
    for strategy in ["noop", "busy-spin", "yield", "backoff:1000000000,0,1us,1ms"] {
        let parsed: IdleStrategy = strategy.parse().expect("an idle strategy");
        let name = strategy.split(':').next().unwrap_or(strategy);
        group.bench_function(name, |b| {
            let mut idler = parsed.idler();
            b.iter(|| black_box(&mut idler).idle(0));
        });
    }
    group.bench_function("reset", |b| {
        let mut idler = IdleStrategy::default().idler();
        b.iter(|| black_box(&mut idler).idle(1));
    });
    group.finish();
}

fn parsing(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    let region = "shm:file?path=/dev/shm/tensorpool-user/default/10000/1700000000000000000/1.pool";
    group.bench_function("region_uri", |b| {
        b.iter(|| ShmUri::parse(black_box(region)))
    });
    let channel = "aeron:ipc?term-length=4m|alias=descriptors";
    group.bench_function("channel", |b| {
        b.iter(|| black_box(channel).parse::<Channel>());
    });
    group.bench_function("idle_strategy", |b| {
        b.iter(|| black_box("backoff:100,20,1us,1ms").parse::<IdleStrategy>());
    });
    let text = default_config_text();
    group.bench_function("default_configuration", |b| {
        b.iter(|| {
            parse(
                "bench",
                black_box(&text).clone(),
                &Environment::default(),
                &[],
            )
            .is_ok()
        });
    });
    group.finish();
}

criterion_group!(benches, duty_cycles, idling, parsing);
criterion_main!(benches);
