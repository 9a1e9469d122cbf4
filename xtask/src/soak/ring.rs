//! What the header ring of a producer that is dead says of it: the last frame that became visible.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where the slots begin, and how long each is; the first word of a slot is its commit word, twice
/// the number of its frame, plus one when that is complete.
const SUPERBLOCK_LEN: usize = 64;
const SLOT_LEN: usize = 256;

/// Frames that were published in `epoch`, whose regions lie somewhere below `pools`.
pub(super) fn published(pools: &Path, epoch: u64) -> Result<u64> {
    let path = find(pools, &epoch.to_string())
        .with_context(|| format!("no ring of epoch {epoch} below {}", pools.display()))?;
    let ring = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let slots = ring.get(SUPERBLOCK_LEN..).unwrap_or_default();
    let (slots, rest) = slots.as_chunks::<SLOT_LEN>();
    ensure!(
        !slots.is_empty() && rest.is_empty(),
        "{} is no ring: {} bytes",
        path.display(),
        ring.len()
    );
    let words = slots.iter().filter_map(|slot| slot.first_chunk());
    let words = words.map(|word| u64::from_le_bytes(*word));
    let complete = words.filter(|word| word & 1 == 1);
    Ok(complete.map(|word| (word >> 1) + 1).max().unwrap_or(0))
}

/// The ring in the directory of this epoch: epochs are not used twice on a machine.
fn find(dir: &Path, epoch: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let mut dirs = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    dirs.find_map(|path| {
        let ring = path.join("header.ring");
        let is_it = path.file_name().is_some_and(|name| name == epoch) && ring.exists();
        if is_it {
            Some(ring)
        } else {
            find(&path, epoch)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(words: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; SUPERBLOCK_LEN];
        for word in words {
            bytes.extend(word.to_le_bytes());
            bytes.resize(bytes.len() + SLOT_LEN - 8, 0xff);
        }
        bytes
    }

    #[test]
    fn the_latest_complete_frame_is_the_last_one_published() {
        let dir = tempfile::tempdir().unwrap();
        let epoch = dir.path().join("user/10001/77");
        fs::create_dir_all(&epoch).unwrap();
        fs::create_dir_all(dir.path().join("user/10001/78")).unwrap();
        let file = epoch.join("header.ring");
        fs::write(&file, ring(&[8 << 1 | 1, 9 << 1 | 1, 10 << 1, 7 << 1 | 1])).unwrap();
        assert_eq!(
            published(dir.path(), 77).unwrap(),
            10,
            "10 was being written"
        );
        fs::write(&file, ring(&[0, 0])).unwrap();
        assert_eq!(published(dir.path(), 77).unwrap(), 0);
        assert!(published(dir.path(), 78).is_err(), "there is no ring");
        fs::write(&file, [0; 100]).unwrap();
        let error = published(dir.path(), 77).unwrap_err().to_string();
        assert!(error.contains("is no ring: 100 bytes"), "{error}");
    }
}
