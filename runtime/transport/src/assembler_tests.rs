use super::*;
use proptest::prelude::*;

const SESSION: i32 = 7;

/// Feeds an assembler as Aeron would: frames of a header and a payload, padded to 32 bytes.
#[derive(Default)]
struct Feed {
    assembler: Assembler,
    positions: std::collections::HashMap<i32, i64>,
    received: Vec<(i32, Vec<u8>)>,
}

impl Feed {
    fn fragment(&mut self, session_id: i32, flags: u8, payload: &[u8]) {
        let position = self.positions.entry(session_id).or_insert(0);
        *position += i64::try_from((payload.len() + 32).next_multiple_of(32)).unwrap();
        let header = FragmentHeader {
            session_id,
            stream_id: 1,
            flags,
            reserved_value: 9,
            position: *position,
        };
        let received = &mut self.received;
        self.assembler.on_fragment(
            payload,
            header,
            &mut |message: &[u8], info: FragmentInfo| {
                assert_eq!(info.position, header.position);
                received.push((info.session_id, message.to_vec()));
            },
        );
    }

    fn skip(&mut self, session_id: i32, byte_count: i64) {
        *self.positions.entry(session_id).or_insert(0) += byte_count;
    }
}

const BEGIN: u8 = FragmentHeader::BEGIN;
const END: u8 = FragmentHeader::END;

/// Proves [TP-RT-0970].
#[test]
fn sessions_are_reassembled_side_by_side() {
    let mut feed = Feed::default();
    feed.fragment(1, BEGIN, b"aa");
    feed.fragment(2, BEGIN, b"xx");
    feed.fragment(1, 0, b"bb");
    feed.fragment(3, BEGIN | END, b"whole");
    feed.fragment(2, END, b"yy");
    feed.fragment(1, END, b"cc");
    let expected = [
        (3, b"whole".to_vec()),
        (2, b"xxyy".to_vec()),
        (1, b"aabbcc".to_vec()),
    ];
    assert_eq!(feed.received, expected);
    assert!(!feed.assembler.has_partial());
    assert_eq!(feed.assembler.incomplete_count(), 0);
}

/// Proves [TP-RT-0970].
#[test]
fn joining_in_the_middle_of_a_message_waits_for_the_next() {
    let mut feed = Feed::default();
    feed.fragment(SESSION, 0, b"middle");
    feed.fragment(SESSION, 0, b"more of it");
    feed.fragment(SESSION, END, b"end");
    feed.fragment(SESSION, BEGIN, b"new ");
    feed.fragment(SESSION, END, b"one");
    assert_eq!(feed.received, [(SESSION, b"new one".to_vec())]);
    assert_eq!(feed.assembler.incomplete_count(), 1);
}

/// Proves [TP-RT-0970].
#[test]
fn a_gap_between_fragments_discards_the_message() {
    let mut feed = Feed::default();
    feed.fragment(SESSION, BEGIN, b"begin");
    feed.skip(SESSION, 64);
    feed.fragment(SESSION, END, b"end");
    assert!(feed.received.is_empty());
    assert_eq!(feed.assembler.incomplete_count(), 1);
    assert!(!feed.assembler.has_partial());
}

/// Proves [TP-RT-0970].
#[test]
fn a_new_beginning_discards_the_unfinished_message() {
    let mut feed = Feed::default();
    feed.fragment(SESSION, BEGIN, b"lost");
    feed.fragment(SESSION, BEGIN, b"ke");
    feed.fragment(SESSION, END, b"pt");
    assert_eq!(feed.received, [(SESSION, b"kept".to_vec())]);
    assert_eq!(feed.assembler.incomplete_count(), 1);
}

#[test]
fn messages_of_sessions_that_went_are_given_up() {
    let mut feed = Feed::default();
    feed.fragment(1, BEGIN, b"gone");
    feed.fragment(2, BEGIN, b"st");
    feed.assembler.retain_partials(|session_id| session_id == 2);
    feed.fragment(2, END, b"ays");
    assert_eq!(feed.received, [(2, b"stays".to_vec())]);
    assert_eq!(feed.assembler.incomplete_count(), 1);
}

/// Proves [TP-RT-1000].
#[test]
fn a_panicking_handler_leaves_the_assembler_usable() {
    let mut feed = Feed::default();
    feed.fragment(SESSION, BEGIN, b"bo");
    let header = FragmentHeader {
        session_id: SESSION,
        stream_id: 1,
        flags: END,
        reserved_value: 0,
        position: 128,
    };
    let mut panics = |_: &[u8], _: FragmentInfo| panic!("the handler's own");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        feed.assembler.on_fragment(b"om", header, &mut panics);
    }));
    assert!(outcome.is_err());
    assert!(!feed.assembler.has_partial());
    feed.skip(SESSION, 64);
    feed.fragment(SESSION, BEGIN, b"fi");
    feed.fragment(SESSION, END, b"ne");
    assert_eq!(feed.received, [(SESSION, b"fine".to_vec())]);
}

proptest! {
    #[test]
    fn any_interleaving_of_whole_messages_is_delivered_whole(
        messages in prop::collection::vec((0..4_i32, prop::collection::vec(any::<u8>(), 1..200)), 1..40),
        chunk_len in 1..64_usize,
        order in prop::collection::vec(0..4_usize, 0..400),
    ) {
        let mut queues: Vec<std::collections::VecDeque<(u8, Vec<u8>)>> = vec![Default::default(); 4];
        let mut expected: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 4];
        for (session, message) in &messages {
            let session = usize::try_from(*session).unwrap();
            expected[session].push(message.clone());
            let count = message.len().div_ceil(chunk_len);
            for (index, chunk) in message.chunks(chunk_len).enumerate() {
                let begin = if index == 0 { BEGIN } else { 0 };
                let end = if index + 1 == count { END } else { 0 };
                queues[session].push_back((begin | end, chunk.to_vec()));
            }
        }
        let mut feed = Feed::default();
        for session in order.into_iter().chain((0..4).cycle().take(40_000)) {
            if let Some((flags, chunk)) = queues[session].pop_front() {
                feed.fragment(i32::try_from(session).unwrap(), flags, &chunk);
            }
        }
        for (session, expected) in (0..).zip(&expected) {
            let of_session = feed.received.iter().filter(|(id, _)| *id == session);
            let got: Vec<_> = of_session.map(|(_, message)| message.clone()).collect();
            prop_assert_eq!(&got, expected);
        }
        prop_assert_eq!(feed.assembler.incomplete_count(), 0);
    }
}

/// Proves [TP-RT-0970].
#[test]
fn a_message_without_an_end_is_given_up_at_the_longest_message_there_is() {
    let mut feed = Feed::default();
    let part = vec![1; 1 << 20];
    feed.fragment(SESSION, BEGIN, &part);
    for _ in 1..16 {
        feed.fragment(SESSION, 0, &part);
    }
    assert!(feed.assembler.has_partial());
    feed.fragment(SESSION, 0, b"x");
    assert!(!feed.assembler.has_partial());
    assert_eq!(feed.assembler.incomplete_count(), 1);
    feed.fragment(SESSION, BEGIN | END, b"next");
    assert_eq!(feed.received, [(SESSION, b"next".to_vec())]);
}

/// Proves [TP-RT-0970], [TP-RT-1000].
#[test]
fn messages_of_any_length_come_whole_and_a_buffer_is_kept_for_the_usual_ones() {
    let mut feed = Feed::default();
    let longest = Assembler::MAX_MESSAGE_LEN;
    for (len, keeps) in [(2_000, true), (longest, false), (3_000, true)] {
        let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let (first, rest) = message.split_at(len / 2);
        feed.fragment(SESSION, BEGIN, first);
        feed.fragment(SESSION, END, rest);
        assert_eq!(feed.received.len(), 1);
        assert!(feed.received.pop() == Some((SESSION, message)), "{len}");
        assert_eq!(feed.assembler.buffers.len(), 1);
        let kept = feed.assembler.buffers[0].bytes.capacity();
        assert_eq!(kept >= len, keeps, "{kept} kept of {len}");
    }
    assert_eq!(feed.assembler.incomplete_count(), 0);
}
