//! Several schemas on one stream: the gate, and decoders that get what is not theirs.

use tensorpool_codecs::gate::{GateError, Message, gate};
use tensorpool_codecs::{DecodeError, bridge, discovery, driver, event, merge, tracelink, wire};

use crate::cases::cases;
use crate::golden_wire as w;
use crate::support::{bytes, with_header};

#[test]
fn every_template_of_every_schema_is_among_the_cases() {
    let mut expected: Vec<Message> = Vec::new();
    expected.extend(wire::Template::ALL.map(Message::Wire));
    expected.extend(driver::Template::ALL.map(Message::Driver));
    expected.extend(bridge::Template::ALL.map(Message::Bridge));
    expected.extend(merge::Template::ALL.map(Message::Merge));
    expected.extend(tracelink::Template::ALL.map(Message::TraceLink));
    expected.extend(discovery::Template::ALL.map(Message::Discovery));
    expected.extend(event::Template::ALL.map(Message::Event));
    let found: Vec<Message> = cases().iter().map(|case| case.0).collect();
    for message in &expected {
        assert!(found.contains(message), "{} has no case", message.name());
    }
    assert_eq!(found.len(), expected.len());
}

/// Proves [TP-WIRE-0210] and [TP-WIRE-0220].
#[test]
fn the_gate_tells_every_message_and_only_its_own_decoder_takes_it() {
    for (message, text, decode) in cases() {
        let golden = bytes(text);
        let gated = gate(&golden).expect("a known message");
        assert_eq!(gated.message, message);
        assert_eq!(gated.len, golden.len());
        assert_eq!(gated.header.version, 1);
        assert!(8 + usize::from(gated.header.block_length) <= golden.len());
        assert!(decode(&golden).is_ok());
        for (other, _, decode_other) in cases() {
            if other != message {
                let outcome = decode_other(&golden);
                assert!(
                    matches!(outcome, Err(DecodeError::WrongMessage { .. })),
                    "{} taken for {}: {outcome:?}",
                    message.name(),
                    other.name()
                );
            }
        }
    }
}

/// Proves [TP-WIRE-0230] and [TP-WIRE-0240].
#[test]
fn the_gate_names_what_it_does_not_know() {
    let golden = bytes(w::FRAME_DESCRIPTOR);
    assert_eq!(gate(&golden[..7]), Err(GateError::TooShort { len: 7 }));
    assert_eq!(
        gate(&with_header(&golden, 2, |_| 905)),
        Err(GateError::UnknownSchema {
            schema_id: 905,
            template_id: 4
        })
    );
    // 50 and 51 lie in shared memory and never travel.
    for template_id in [0, 14, 50, 51, u16::MAX] {
        assert_eq!(
            gate(&with_header(&golden, 1, |_| template_id)),
            Err(GateError::UnknownTemplate {
                schema_id: 900,
                template_id
            })
        );
    }
}
