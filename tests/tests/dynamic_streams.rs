//! Streams that a publisher brings into being, from the command line.

use tensorpool_tests::Sandbox;

#[test]
fn a_publisher_creates_a_stream_a_subscriber_finds_it_and_it_ends_with_them() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let text = format!(
        "[driver]\nstream_id_range = \"20000-20001\"\n[shm]\nbase_dir = {:?}\n\
         [policies]\nallow_dynamic_streams = true\nlease_keepalive_interval_ms = 100\n\
         [profiles.small]\nheader_nslots = 16\n\
         payload_pools = [{{ pool_id = 1, stride_bytes = 4096 }}]\n",
        sandbox.base_dir()
    );
    let config = sandbox.write("tensorpool.toml", text);
    let _driver = sandbox.driver(&config);
    let config = config.to_str().expect("UTF-8");

    let refused = [
        "publish",
        "--config",
        config,
        "--stream",
        "0",
        "--pattern",
        "seq",
    ];
    let text = sandbox.spawn("refused", refused).expect_failure();
    assert!(text.contains("not provisioned"), "{text}");
    assert!(text.contains("--create"), "{text}");

    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--config",
            config,
            "--stream",
            "0",
            "--create",
            "--pattern",
            "interop",
            "--size",
            "1000",
            "--count",
            "2000",
            "--lossless",
            "--wait-consumers",
            "1",
        ],
    );
    let attached = publisher.wait_event("attached");
    assert_eq!(attached["stream"], 20_000, "{attached}");
    let mut subscriber = sandbox.spawn(
        "subscriber",
        [
            "subscribe",
            "--json",
            "--config",
            config,
            "--stream",
            "20000",
            "--verify",
            "interop",
        ],
    );
    publisher.expect_success();
    subscriber.expect_success();
    let summary = subscriber.wait_event("summary");
    assert_eq!(
        (&summary["frames"], &summary["wrong"]),
        (&2000.into(), &0.into()),
        "{summary}"
    );
}
