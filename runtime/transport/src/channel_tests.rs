use super::{Channel, ChannelError, Media};

#[test]
fn a_channel_prints_as_it_was_parsed() {
    for uri in [
        "aeron:ipc",
        "aeron:ipc?term-length=4m",
        "aeron:udp?endpoint=224.0.1.1:40456|interface=localhost|ttl=4",
        "aeron-spy:aeron:udp?endpoint=[::1]:40123",
        "aeron:udp?control=10.0.0.1:4000|control-mode=dynamic",
    ] {
        assert_eq!(uri.parse::<Channel>().unwrap().to_string(), uri);
    }
}

#[test]
fn malformed_channels_are_refused_with_the_reason() {
    let parse = |uri: &str| uri.parse::<Channel>().unwrap_err();
    assert!(matches!(parse("ipc"), ChannelError::Scheme { .. }));
    assert!(matches!(
        parse("aeron-spy:ipc"),
        ChannelError::Scheme { .. }
    ));
    assert!(matches!(parse("aeron:tcp?x=1"), ChannelError::Media { .. }));
    assert!(matches!(
        parse("aeron:ipc?term-length"),
        ChannelError::Param { .. }
    ));
    assert!(matches!(parse("aeron:ipc?=1"), ChannelError::Param { .. }));
    assert!(matches!(
        parse("aeron:ipc?a=1||b=2"),
        ChannelError::Param { .. }
    ));
    assert!(matches!(
        parse("aeron:ipc?a=1|a=2"),
        ChannelError::Duplicate { .. }
    ));
    assert!(matches!(
        parse("aeron:ipc?term-length=5m"),
        ChannelError::TermLength { .. }
    ));
    assert!(matches!(
        parse("aeron:ipc?alias=a\0b"),
        ChannelError::Character { .. }
    ));
    let long = format!("aeron:ipc?alias={}", "x".repeat(Channel::MAX_LEN));
    assert!(matches!(parse(&long), ChannelError::TooLong { .. }));
}

#[test]
fn parameters_are_set_replaced_and_removed() {
    let channel = Channel::ipc()
        .with_term_length(1 << 20)
        .unwrap()
        .with_param("alias", "control")
        .unwrap();
    assert_eq!(
        channel.to_string(),
        "aeron:ipc?term-length=1048576|alias=control"
    );
    assert_eq!(channel.term_length(), Some(1 << 20));
    let channel = channel.with_param("term-length", "64k").unwrap();
    assert_eq!(channel.term_length(), Some(64 << 10));
    assert_eq!(
        channel.clone().without_param("term-length").to_string(),
        "aeron:ipc?alias=control"
    );
    assert!(
        channel.with_param("alias", "a|b=c").is_err(),
        "a value must not smuggle in a parameter"
    );
}

#[test]
fn untethered_timeouts_do_not_replace_the_operators() {
    let channel: Channel = "aeron:ipc?untethered-linger-timeout=7s".parse().unwrap();
    let channel = channel.with_untethered_timeouts();
    assert_eq!(channel.param("untethered-linger-timeout"), Some("7s"));
    assert_eq!(
        channel.param("untethered-window-limit-timeout"),
        Some("100ms")
    );
    assert_eq!(
        Channel::ipc().untethered().to_string(),
        "aeron:ipc?tether=false"
    );
}

#[test]
fn udp_has_an_endpoint() {
    let channel = Channel::udp("localhost:40123").unwrap();
    assert_eq!(
        (channel.media(), channel.to_string().as_str()),
        (Media::Udp, "aeron:udp?endpoint=localhost:40123")
    );
}
