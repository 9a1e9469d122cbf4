//! Publications that Aeron takes nothing more on: others take their place underneath.

mod support;

use support::{AeronDir, drive_until, receive, send, subscription};
use tensorpool_transport::{Channel, Link, LinkEvent, Offer, Publication, PublicationOptions};

/// Two messages of 64 bytes before the last position there is.
const NEARLY_OVER: &str =
    "aeron:ipc?term-length=64k|init-term-id=0|term-id=2147483647|term-offset=65344";

fn nearly_over(link: &mut Link, stream_id: i32) -> Publication {
    let channel: Channel = NEARLY_OVER.parse().unwrap();
    link.add_publication(&channel, stream_id, PublicationOptions::default())
}

/// Offers until Aeron says that the end is reached; gives what was sent before.
fn exhaust(link: &mut Link, publication: &mut Publication) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    drive_until(&mut [link], "the last position", || {
        let message = vec![sent.len() as u8; 32];
        match publication.offer(&message) {
            Offer::Sent { .. } => sent.push(message),
            Offer::MaxPositionExceeded => return true,
            _ => {}
        }
        false
    });
    sent
}

/// Proves [TP-RT-0915].
#[test]
fn a_publication_at_its_last_position_is_replaced_and_its_handle_goes_on() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut subscriber = subscription(&mut link, 1000);
    let mut publication = nearly_over(&mut link, 1000);
    let mut expected = exhaust(&mut link, &mut publication);
    assert!(!expected.is_empty(), "there was room for some");
    assert_eq!(publication.session_id(), None, "the next one is asked for");

    for number in 0..100 {
        let message = vec![100 + number; 32];
        send(&mut [&mut link], &mut publication, &message);
        expected.push(message);
    }
    let received = receive(&mut [&mut link], &mut subscriber, expected.len());
    assert_eq!(received, expected, "all, once, in order");
    assert_eq!(link.stats().renewed_count, 1);
    let renewed: Vec<String> = std::iter::from_fn(|| link.poll_event())
        .filter(|event| matches!(event, LinkEvent::Renewed { .. }))
        .map(|event| event.to_string())
        .collect();
    assert_eq!(renewed.len(), 1);
    assert!(renewed[0].contains("stream 1000"), "{renewed:?}");
}

#[test]
fn a_claim_beyond_the_last_position_finds_another_publication_as_well() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut subscriber = subscription(&mut link, 1000);
    let mut publication = nearly_over(&mut link, 1000);
    let (mut was_over, mut sent) = (false, 0);
    drive_until(&mut [&mut link], "claims on both", || {
        match publication.try_claim(32) {
            Ok(mut claim) => {
                claim.payload_mut().fill(7);
                sent += usize::from(claim.commit().is_sent());
            }
            Err(offer) => was_over |= offer == Offer::MaxPositionExceeded,
        }
        was_over && sent > 10
    });
    let received = receive(&mut [&mut link], &mut subscriber, sent);
    assert!(received.iter().all(|message| *message == [7; 32]));
}
