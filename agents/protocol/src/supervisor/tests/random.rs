//! Whatever happens, no two consumers share a stream, and everything stays within its bounds.

use proptest::prelude::*;

use super::support::{IPC, MS, S, STREAM, Supervisor, hello, key_on, request, with_ranges};
use crate::common::Role;
use crate::supervisor::{CoreConfig, Hello, Policy};

#[derive(Clone, Debug)]
enum Step {
    Hello {
        stream: u32,
        consumer: u32,
        descriptor: u8,
        control: u8,
    },
    Report {
        stream: u32,
        consumer: u32,
    },
    LeaseEnd {
        stream: u32,
        consumer: u32,
    },
    Policy {
        force_no_shm: bool,
    },
    Say,
    Wait {
        ms: u64,
    },
    Stall {
        ms: u64,
    },
    Link {
        is_up: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = || (0..2u32, 1..8u32);
    prop_oneof![
        6 => (who(), 0..4u8, 0..4u8).prop_map(|((stream, consumer), descriptor, control)| {
            Step::Hello { stream: STREAM + stream, consumer, descriptor, control }
        }),
        2 => who().prop_map(|(stream, consumer)| Step::Report { stream: STREAM + stream, consumer }),
        2 => who().prop_map(|(stream, consumer)| Step::LeaseEnd { stream: STREAM + stream, consumer }),
        1 => any::<bool>().prop_map(|force_no_shm| Step::Policy { force_no_shm }),
        3 => Just(Step::Say),
        3 => (0..7_000u64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..7_000u64).prop_map(|ms| Step::Stall { ms }),
        1 => any::<bool>().prop_map(|is_up| Step::Link { is_up }),
    ]
}

fn run(supervisor: &mut Supervisor, step: &Step) {
    let wishes = [
        request(b"", 0),
        request(IPC, 1),
        request(IPC, 31_001),
        request(IPC, 0),
    ];
    let now = supervisor.now;
    match *step {
        Step::Hello {
            stream,
            consumer,
            descriptor,
            control,
        } => supervisor.hello(&Hello {
            descriptor: wishes[usize::from(descriptor)],
            control: wishes[usize::from(control)],
            ..hello(key_on(stream, consumer))
        }),
        Step::Report { stream, consumer } => {
            supervisor.report(key_on(stream, consumer), 1, 2, (3, 4));
        }
        Step::LeaseEnd { stream, consumer } => {
            supervisor.lease_end(stream, consumer, Role::Consumer);
        }
        Step::Policy { force_no_shm } => supervisor.core.set_policy(
            now,
            Policy {
                force_no_shm,
                ..Policy::default()
            },
        ),
        Step::Say => drop(supervisor.take()),
        Step::Wait { ms } => supervisor.advance(ms * MS),
        Step::Stall { ms } => {
            supervisor.now = now.after_ns(ms * MS);
            supervisor.core.on_stall(supervisor.now, ms * MS);
        }
        Step::Link { is_up: true } => supervisor.core.on_link_up(now),
        Step::Link { is_up: false } => supervisor.core.on_link_lost(now),
    }
}

proptest! {
    /// The invariants are looked at after every step, as in every other test.
    #[test]
    fn no_sequence_of_inputs_breaks_an_invariant(steps in prop::collection::vec(step(), 1..200)) {
        let mut supervisor = Supervisor::new(CoreConfig {
            consumer_capacity: 6,
            id_reuse_delay_ns: 2 * S,
            ..with_ranges()
        });
        for step in &steps {
            run(&mut supervisor, step);
            supervisor.core.check_invariants();
            prop_assert!(supervisor.core.waiting_answers() <= 6 + 32);
        }
        let now = supervisor.now;
        supervisor.core.on_link_up(now);
        for _ in 0..3 {
            supervisor.advance(6 * S);
        }
        let stats = supervisor.core.stats();
        prop_assert_eq!(stats.consumers, 0);
        prop_assert_eq!(stats.own_descriptor_streams + stats.own_control_streams, 0);
    }
}
