//! Subscribers that publishers do not wait for.

mod support;

use support::{AeronDir, channel, drive_until, publication, send, subscription};
use tensorpool_transport::SubscriptionOptions;

/// Proves [TP-RT-1015].
#[test]
fn a_subscriber_that_is_left_behind_can_tell_and_one_whose_publisher_closed_is_not_one() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut reader = subscription(&mut link, 1000);
    let untethered = SubscriptionOptions::UNTETHERED;
    let mut idle = link.add_subscription(&channel(), 1000, untethered);
    drive_until(&mut [&mut link], "all are there", || {
        idle.is_connected() && reader.is_connected() && publication.is_connected()
    });
    assert_eq!(idle.images_left_behind(), 0);
    // Several windows of a term of 64 KiB, while the one reads and the other does not.
    let mut read = 0;
    while idle.images_left_behind() == 0 {
        send(&mut [&mut link], &mut publication, &[7; 1_000]);
        reader.poll(16, |_, _| read += 1);
    }
    assert!(read > 0);
    assert_eq!(reader.images_left_behind(), 0);
    drop(idle);

    let mut last = 0;
    send(&mut [&mut link], &mut publication, b"the last");
    drive_until(&mut [&mut link], "the end is read", || {
        reader.poll(16, |message, _| last = message.len());
        last == b"the last".len()
    });
    drop(publication);
    drive_until(&mut [&mut link], "the publisher is gone", || {
        reader.poll(16, |_, _| ());
        reader.images_down() == 1
    });
    assert_eq!(reader.images_left_behind(), 0, "everything was read");
}
