//! Single promises about the account of a consumer.

use tensorpool_codecs::types::Seq;
use tensorpool_protocol::frame::{Presence, SeqEvent, SeqTracker};

/// Proves [TP-CLI-1250].
#[test]
fn a_gap_up_to_the_limit_is_a_gap_and_one_beyond_it_starts_over() {
    let after = |seq| {
        let mut tracker = SeqTracker::new(Presence::FromStart, 256, 1024);
        let event = tracker.on_descriptor(Seq::new(seq));
        assert_eq!(tracker.last(), Some(Seq::new(seq)));
        assert_eq!(
            tracker.on_descriptor(Seq::new(seq + 1)),
            SeqEvent::InOrder { missed: 0 }
        );
        event
    };
    assert_eq!(after(256), SeqEvent::InOrder { missed: 256 });
    assert_eq!(after(257), SeqEvent::Resync { missed: 258 });
}
