//! Where a header ring ends: what of an epoch was published, by the memory itself. For the moment an
//! epoch is over; what producers report is up to a period old by then.

use tensorpool_codecs::types::Seq;

/// The position behind the latest complete frame of a ring of `slot_count` slots, a power of two;
/// `None` if what the slots hold cannot all be of one life of one ring, as after a truncation.
///
/// Looks at each slot twice: `look` gives the commit word of the slot of a frame, `(seq << 1) |
/// committed`, by an acquire load. Somebody may still write meanwhile.
// [TP-CLI-1922] [TP-CLI-1924]
#[must_use]
pub fn ring_end(slot_count: u32, mut look: impl FnMut(Seq) -> u64) -> Option<Seq> {
    let slots = u64::from(slot_count);
    let mut word = |index: u64| {
        let word = look(Seq::new(index));
        (word >> 1, word & 1 == 1, word == 0)
    };
    let mut end = 0;
    for index in 0..slots {
        let (seq, complete, _) = word(index);
        if complete && seq % slots == index {
            end = end.max(seq + 1);
        }
    }
    // Words only grow, so that what was true of the first look still is.
    // [TP-CLI-1924]
    for index in 0..slots {
        let (seq, _, is_empty) = word(index);
        let is_whole = match last_in_slot(index, end, slots) {
            Some(last) => !is_empty && seq % slots == index && seq >= last,
            None => is_empty || seq % slots == index,
        };
        // Frame 0, claimed and not complete, looks like nothing at all.
        let is_first = is_empty && index == 0 && end <= slots;
        if !(is_whole || is_first) {
            return None;
        }
    }
    Some(Seq::new(end))
}

/// The latest frame before `end` whose slot this is.
fn last_in_slot(index: u64, end: u64, slots: u64) -> Option<u64> {
    let last = end.checked_sub(index + 1)?;
    Some(index + last / slots * slots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOTS: u32 = 8;

    fn end_of(words: &[u64]) -> Option<u64> {
        let look = |seq: Seq| words[seq.slot_index(SLOTS) as usize];
        ring_end(SLOTS, look).map(Seq::get)
    }

    /// A ring of which these frames were completed, in order.
    fn ring(seqs: impl IntoIterator<Item = u64>) -> [u64; SLOTS as usize] {
        let mut words = [0; SLOTS as usize];
        for seq in seqs {
            words[(seq % u64::from(SLOTS)) as usize] = seq << 1 | 1;
        }
        words
    }

    proptest! {
        /// Proves [TP-CLI-1922].
        #[test]
        fn a_ring_ends_behind_its_latest_complete_frame(end in 0u64..100, claimed in 0u64..4) {
            let mut words = ring(0..end);
            for seq in end..end + claimed {
                words[(seq % u64::from(SLOTS)) as usize] = seq << 1;
            }
            prop_assert_eq!(end_of(&words), Some(end));
        }
    }

    /// Proves [TP-CLI-1922].
    #[test]
    fn aborted_claims_are_part_of_a_ring() {
        for end in [1, 5, 8, 9, 30] {
            let mut words = ring(0..end);
            for aborted in end.saturating_sub(8)..end - 1 {
                let mut words = words;
                words[(aborted % 8) as usize] &= !1;
                assert_eq!(end_of(&words), Some(end), "{aborted} of {end}");
            }
            words[((end - 1) % 8) as usize] &= !1;
            assert_eq!(end_of(&words), Some(end - 1), "the last of {end}");
        }
    }

    /// Proves [TP-CLI-1924].
    #[test]
    fn a_ring_that_was_damaged_or_begun_anew_has_no_end() {
        let whole = ring(0..30);
        assert_eq!(end_of(&whole), Some(30));
        for index in 0..8 {
            let mut words = whole;
            words[index] = 0;
            assert_ne!(end_of(&words), Some(30), "{index} is gone");
            words[index] = u64::MAX;
            assert_eq!(end_of(&words), None, "{index} is nonsense");
            words[index] = (1_000_000 + index as u64) << 1 | 1;
            assert_eq!(end_of(&words), None, "{index} is far away");
        }
        // Another life, up to its frame 2.
        let mut words = whole;
        words[..3].copy_from_slice(&ring(0..3)[..3]);
        assert_eq!(end_of(&words), None);
        // Its header page is there, and everything behind it is not.
        let mut words = [0; 8];
        words[0] = 24 << 1 | 1;
        assert_eq!(end_of(&words), None);
    }

    /// Proves [TP-CLI-1922].
    #[test]
    fn somebody_may_still_write_while_it_is_looked_at() {
        let mut published = 20;
        let mut words = ring(0..published);
        let end = ring_end(SLOTS, |seq| {
            words[(published % 8) as usize] = published << 1 | 1;
            published += 1;
            words[seq.slot_index(SLOTS) as usize]
        });
        let end = end.map(Seq::get).unwrap();
        assert!((20..=published).contains(&end), "{end}");
    }
}
