//! Our publications beside the shared ones of another client, which are matched by stream id.

mod support;

use std::ffi::{CStr, CString};

use rusteron_client::{Aeron, AeronContext, AeronErrorHandlerLogger, AeronPublication};
use support::{AeronDir, WATCHDOG, publication, receive, send, subscription};
use tensorpool_transport::LinkEvent;

/// A client of the media driver that publishes as most do.
fn stranger(dir: &AeronDir) -> Aeron {
    let context = AeronContext::new().unwrap();
    let path = CString::new(dir.path().to_str().unwrap()).unwrap();
    context.set_dir(&path).unwrap();
    let logger = Some(AeronErrorHandlerLogger);
    context.set_error_handler(logger).unwrap();
    let aeron = Aeron::new(&context).unwrap();
    aeron.start().unwrap();
    aeron
}

fn share(aeron: &Aeron, channel: &CStr, stream_id: i32) -> Option<AeronPublication> {
    let pending = aeron.async_add_publication(channel, stream_id).unwrap();
    pending.poll_blocking(WATCHDOG).ok()
}

/// Proves [TP-CLI-2370].
#[test]
fn shared_publications_of_another_term_length_conflict_with_each_other_and_not_with_ours() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let stranger = stranger(&dir);
    let _first = share(&stranger, c"aeron:ipc?term-length=4m", 1000).unwrap();
    let second = share(&stranger, c"aeron:ipc?term-length=1m", 1000);
    assert!(second.is_none(), "Aeron matches shared ones");

    let mut link = dir.link();
    let mut ours = publication(&mut link, 1000);
    let mut subscriber = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut ours, b"ours");
    assert_eq!(receive(&mut [&mut link], &mut subscriber, 1), [b"ours"]);
    assert_eq!(ours.term_len(), Some(64 << 10), "as its channel says");

    // The other way round, they are not kept out by ours.
    let mut before = publication(&mut link, 1001);
    let mut subscriber = subscription(&mut link, 1001);
    send(&mut [&mut link], &mut before, b"before");
    let after = share(&stranger, c"aeron:ipc?term-length=4m", 1001);
    assert!(after.is_some());
    send(&mut [&mut link], &mut before, b"still");
    let received = receive(&mut [&mut link], &mut subscriber, 2);
    assert_eq!(received, [b"before".to_vec(), b"still".to_vec()]);
    while let Some(event) = link.poll_event() {
        let is_fallback = matches!(event, LinkEvent::TermLengthDropped { .. });
        assert!(!is_fallback, "nothing had to be worked around: {event:?}");
    }
    assert_eq!(link.stats().add_failure_count, 0);
}
