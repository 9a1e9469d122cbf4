//! Generated frames whose every byte follows from the sequence number, and their verification.

use clap::ValueEnum;

/// What the bytes of a generated frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Pattern {
    /// Bytes 0-7 the sequence number, 8-15 its complement (little-endian), byte i from 16 on (seq +
    /// i) mod 256; shared with the Julia and C implementations.
    Interop,
    /// Every byte seq mod 256.
    Seq,
    /// Noise seeded with the sequence number.
    Noise,
}

/// The first byte that is not what the pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: expected {expected:#04x}, found {found:#04x}")]
pub struct Mismatch {
    /// Its offset in the payload.
    pub offset: usize,
    /// What the pattern says.
    pub expected: u8,
    /// What is there.
    pub found: u8,
}

/// A multiple of 256, so that the interop ramp has the same phase in each chunk, and of
/// [`LINE_LEN`].
const CHUNK_LEN: usize = 4096;
const INTEROP_HEAD_LEN: usize = 16;
const LINE_LEN: usize = 64;

static RAMP: [u8; CHUNK_LEN + 256] = {
    let mut ramp = [0; CHUNK_LEN + 256];
    let mut i = 0;
    while i < ramp.len() {
        ramp[i] = (i & 0xff) as u8;
        i += 1;
    }
    ramp
};

impl Pattern {
    /// Fills the payload of frame `seq`.
    pub fn fill(self, seq: u64, payload: &mut [u8]) {
        match self {
            Self::Interop => fill_interop(seq, payload),
            Self::Seq => payload.fill(seq as u8),
            Self::Noise => {
                let mut noise = Noise::new(seq);
                for line in payload.chunks_mut(LINE_LEN) {
                    line.copy_from_slice(&noise.next_line()[..line.len()]);
                }
            }
        }
    }

    /// Whether a payload can be filled in parts.
    #[must_use]
    pub fn has_parts(self) -> bool {
        match self {
            Self::Interop | Self::Seq => true,
            Self::Noise => false,
        }
    }

    /// Fills the bytes from `offset` on of the payload of frame `seq`; of a pattern that
    /// [has parts](Self::has_parts), else from 0 only.
    pub fn fill_part(self, seq: u64, offset: usize, part: &mut [u8]) {
        debug_assert!(self.has_parts() || offset == 0);
        match self {
            Self::Interop if offset > 0 => fill_interop_from(seq, offset, part),
            Self::Interop | Self::Seq | Self::Noise => self.fill(seq, part),
        }
    }

    /// Checks the payload of frame `seq`, or its beginning; names the first wrong byte.
    pub fn verify(self, seq: u64, payload: &[u8]) -> Result<(), Mismatch> {
        match self {
            Self::Interop => verify_interop(seq, payload),
            Self::Seq => {
                let expected = [seq as u8; CHUNK_LEN];
                compare_chunks(payload, 0, &expected)
            }
            Self::Noise => {
                let mut noise = Noise::new(seq);
                for (index, line) in payload.chunks(LINE_LEN).enumerate() {
                    compare(line, &noise.next_line()[..line.len()], index * LINE_LEN)?;
                }
                Ok(())
            }
        }
    }
}

fn interop_head(seq: u64) -> [u8; INTEROP_HEAD_LEN] {
    let mut head = [0; INTEROP_HEAD_LEN];
    head[..8].copy_from_slice(&seq.to_le_bytes());
    head[8..].copy_from_slice(&(!seq).to_le_bytes());
    head
}

/// One period after the other, starting with byte `INTEROP_HEAD_LEN`.
fn interop_ramp(seq: u64) -> &'static [u8] {
    let phase = usize::from((seq as u8).wrapping_add(INTEROP_HEAD_LEN as u8));
    &RAMP[phase..phase + CHUNK_LEN]
}

fn fill_interop(seq: u64, payload: &mut [u8]) {
    let head_len = payload.len().min(INTEROP_HEAD_LEN);
    let (head, body) = payload.split_at_mut(head_len);
    head.copy_from_slice(&interop_head(seq)[..head_len]);
    let ramp = interop_ramp(seq);
    for chunk in body.chunks_mut(CHUNK_LEN) {
        chunk.copy_from_slice(&ramp[..chunk.len()]);
    }
}

/// From somewhere behind the first byte.
fn fill_interop_from(seq: u64, offset: usize, part: &mut [u8]) {
    let head = interop_head(seq);
    let rest = head.get(offset..).unwrap_or_default();
    let (in_head, body) = part.split_at_mut(rest.len().min(part.len()));
    in_head.copy_from_slice(&rest[..in_head.len()]);
    let start = offset.max(INTEROP_HEAD_LEN);
    let phase = usize::from((seq as u8).wrapping_add(start as u8));
    for chunk in body.chunks_mut(CHUNK_LEN) {
        chunk.copy_from_slice(&RAMP[phase..phase + chunk.len()]);
    }
}

fn verify_interop(seq: u64, payload: &[u8]) -> Result<(), Mismatch> {
    let head_len = payload.len().min(INTEROP_HEAD_LEN);
    let (head, body) = payload.split_at(head_len);
    compare(head, &interop_head(seq)[..head_len], 0)?;
    compare_chunks(body, INTEROP_HEAD_LEN, interop_ramp(seq))
}

fn compare_chunks(body: &[u8], offset: usize, expected: &[u8]) -> Result<(), Mismatch> {
    for (index, chunk) in body.chunks(CHUNK_LEN).enumerate() {
        compare(chunk, &expected[..chunk.len()], offset + index * CHUNK_LEN)?;
    }
    Ok(())
}

/// Compares slices of equal length; the fast case is one memory comparison.
fn compare(found: &[u8], expected: &[u8], offset: usize) -> Result<(), Mismatch> {
    if found == expected {
        return Ok(());
    }
    let mut pairs = found.iter().zip(expected).enumerate();
    match pairs.find(|(_, (found, expected))| found != expected) {
        None => Ok(()),
        Some((index, (&found, &expected))) => Err(Mismatch {
            offset: offset + index,
            expected,
            found,
        }),
    }
}

/// Eight independent xorshift generators, one for each word of a line, so that they run side by
/// side.
struct Noise {
    lanes: [u64; 8],
}

impl Noise {
    fn new(seq: u64) -> Self {
        let mut seed = seq;
        let lanes = std::array::from_fn(|_| {
            // Splitmix64: turns neighbouring numbers into unrelated seeds.
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) | 1
        });
        Self { lanes }
    }

    #[inline]
    fn next_line(&mut self) -> [u8; LINE_LEN] {
        let mut line = [0; LINE_LEN];
        for (lane, word) in self.lanes.iter_mut().zip(line.chunks_exact_mut(8)) {
            *lane ^= *lane << 13;
            *lane ^= *lane >> 7;
            *lane ^= *lane << 17;
            word.copy_from_slice(&lane.to_le_bytes());
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Pattern; 3] = [Pattern::Interop, Pattern::Seq, Pattern::Noise];

    #[test]
    fn interop_bytes_are_those_of_the_published_rule() {
        for (seq, len) in [
            (0_u64, 20_usize),
            (0x0102_0304_0506_07f8, 9_000),
            (u64::MAX, 5_000),
            (7, 3),
        ] {
            let mut payload = vec![0; len];
            Pattern::Interop.fill(seq, &mut payload);
            for (i, &byte) in payload.iter().enumerate() {
                let expected = match i {
                    0..8 => seq.to_le_bytes()[i],
                    8..16 => (!seq).to_le_bytes()[i - 8],
                    _ => (seq.wrapping_add(i as u64) & 0xff) as u8,
                };
                assert_eq!(byte, expected, "seq {seq:#x} byte {i}");
            }
        }
    }

    #[test]
    fn seq_repeats_the_low_byte() {
        let mut payload = [0; 5];
        Pattern::Seq.fill(0x1ff, &mut payload);
        assert_eq!(payload, [0xff; 5]);
        assert_eq!(Pattern::Seq.verify(0x2ff, &payload), Ok(()));
    }

    #[test]
    fn noise_differs_between_frames_and_within_one() {
        let (mut a, mut b) = ([0; 256], [0; 256]);
        Pattern::Noise.fill(1, &mut a);
        Pattern::Noise.fill(2, &mut b);
        let equal = a.iter().zip(&b).filter(|(a, b)| a == b).count();
        assert!(equal < 16, "{equal} equal bytes of 256");
        assert_ne!(a[..64], a[64..128]);
        assert!(a.iter().any(|&byte| byte != 0));
    }

    #[test]
    fn noise_is_the_same_on_every_machine() {
        let mut payload = [0; 8];
        Pattern::Noise.fill(0, &mut payload);
        assert_eq!(u64::from_le_bytes(payload), NOISE_0);
    }

    /// Splitmix64 of seed 0 (0xe220a8397b1dcdaf, published), then one xorshift64 step of 13, 7, 17.
    const NOISE_0: u64 = {
        let mut word = 0xe220_a839_7b1d_cdaf_u64;
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word
    };

    #[test]
    fn a_mismatch_says_where_and_what() {
        let mut payload = vec![0; 10_000];
        Pattern::Interop.fill(3, &mut payload);
        payload[9_000] ^= 0xff;
        let error = Pattern::Interop.verify(3, &payload).unwrap_err();
        assert_eq!(error.offset, 9_000);
        let expected = ((3 + 9_000) & 0xff) as u8;
        assert_eq!((error.expected, error.found), (expected, !expected));
        let shown = Mismatch {
            offset: 16,
            expected: 0x1f,
            found: 0,
        }
        .to_string();
        assert_eq!(shown, "byte 16: expected 0x1f, found 0x00");
    }

    proptest! {
        #[test]
        fn any_single_wrong_byte_is_found(
            seq: u64, len in 1_usize..20_000, at: prop::sample::Index, flip in 1_u8..,
        ) {
            for pattern in ALL {
                let mut payload = vec![0; len];
                pattern.fill(seq, &mut payload);
                prop_assert_eq!(pattern.verify(seq, &payload), Ok(()));
                let offset = at.index(len);
                payload[offset] ^= flip;
                let found = payload[offset];
                let expected = found ^ flip;
                prop_assert_eq!(
                    pattern.verify(seq, &payload),
                    Err(Mismatch { offset, expected, found })
                );
            }
        }

        #[test]
        fn parts_make_up_the_whole_and_each_beginning_verifies(
            seq: u64, len in 0_usize..20_000, part_len in 1_usize..9_000,
        ) {
            for pattern in ALL.into_iter().filter(|pattern| pattern.has_parts()) {
                let (mut whole, mut parts) = (vec![0; len], vec![0; len]);
                pattern.fill(seq, &mut whole);
                for offset in (0..len).step_by(part_len) {
                    let end = len.min(offset + part_len);
                    pattern.fill_part(seq, offset, &mut parts[offset..end]);
                    prop_assert_eq!(pattern.verify(seq, &parts[..end]), Ok(()));
                }
                prop_assert_eq!(&whole, &parts);
            }
        }

        #[test]
        fn the_previous_lap_of_a_ring_is_told_from_this_one(
            seq in 256_u64.., len in 16_usize..5_000,
        ) {
            let mut payload = vec![0; len];
            for pattern in [Pattern::Interop, Pattern::Noise] {
                pattern.fill(seq - 256, &mut payload);
                prop_assert!(pattern.verify(seq, &payload).is_err());
            }
        }
    }
}
