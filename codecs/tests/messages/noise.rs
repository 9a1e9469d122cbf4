//! Random bytes, and good messages damaged at random: any outcome but a panic.

use proptest::prelude::*;
use tensorpool_codecs::gate::gate;
use tensorpool_codecs::{slot, wire};

use crate::cases::cases;
use crate::support::bytes;

fn feed_everything(buf: &[u8]) {
    let gated = gate(buf);
    for (message, _, decode) in cases() {
        if decode(buf).is_ok() {
            assert_eq!(gated.map(|gated| gated.message), Ok(message));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Proves [TP-WIRE-0180].
    #[test]
    fn noise_never_panics(buf in prop::collection::vec(any::<u8>(), 0..300)) {
        feed_everything(&buf);
    }

    /// Proves [TP-WIRE-0180].
    #[test]
    fn noise_behind_a_valid_header_never_panics(
        case in 0..cases().len(),
        mut body in prop::collection::vec(prop_oneof![4 => 0_u8..4, 1 => any::<u8>()], 0..400),
    ) {
        let (_, text, decode) = cases()[case];
        let mut buf = bytes(text)[..8].to_vec();
        buf.append(&mut body);
        let _ = decode(&buf);
        feed_everything(&buf);
    }

    /// Proves [TP-WIRE-0180].
    #[test]
    fn damaged_messages_never_panic(
        case in 0..cases().len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_, text, decode) = cases()[case];
        let mut buf = bytes(text);
        for (at, value) in damage {
            let at = at.index(buf.len());
            buf[at] = value;
        }
        let _ = decode(&buf);
        buf.truncate(cut.index(buf.len() + 1));
        feed_everything(&buf);
    }

    #[test]
    fn noise_in_a_slot_never_panics(
        mut buf in prop::array::uniform32(prop::array::uniform8(any::<u8>())),
        sound in any::<bool>(),
    ) {
        if sound {
            buf[7] = [0, 0, 0, 0, 192, 0, 0, 0];
            buf[8] = [184, 0, 52, 0, 132, 3, 1, 0];
        }
        let bytes: Vec<u8> = buf.concat();
        let bytes: [u8; slot::SLOT_LEN] = bytes.try_into().expect("256 bytes");
        let _ = slot::HeaderSlot::decode(&bytes);
        let superblock: &[u8; 64] = bytes.first_chunk().expect("64 bytes");
        let _ = wire::ShmRegionSuperblock::decode(superblock);
    }
}
