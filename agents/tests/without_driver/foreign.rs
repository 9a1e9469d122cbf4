//! A producer in the field that has no driver: files written by hand at a place of its own, and
//! messages on the control and descriptor streams, byte by byte.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use tensorpool::codecs::slot::{HeaderSlot, SUPERBLOCK_MAGIC};
use tensorpool::codecs::wire::{
    ClockDomain, Dtype, FrameDescriptor, MajorOrder, ProgressUnit, RegionType, ShmPoolAnnounce,
    ShmPoolAnnouncePayloadPool, ShmRegionSuperblock, SlotHeader, TensorHeader,
};
use tensorpool::runtime::clock::monotonic_ns;

use crate::payload;
use crate::raw::Raw;
use crate::support::{STREAM, World};

const SLOTS: u32 = 4;
const STRIDE: u32 = 1024;
const ID: u32 = 77;

pub(crate) struct Foreign {
    header: File,
    pool: File,
    dir: PathBuf,
    epoch: u64,
    raw: Raw,
    next: u64,
}

impl Foreign {
    /// Creates its regions, over those of an earlier life if there are any.
    pub(crate) fn start(world: &World, epoch: u64, pid: u32) -> Self {
        let dir = world.dir.path().join("pools").join("camera");
        let _existed = std::fs::create_dir(&dir);
        let create = |name: &str, len: u64| {
            let path = dir.join(name);
            let _gone = std::fs::remove_file(&path);
            let mut options = File::options();
            options.read(true).write(true).create_new(true).mode(0o600);
            let file = options.open(path).unwrap();
            file.set_permissions(std::fs::Permissions::from_mode(0o600))
                .unwrap();
            file.set_len(len).unwrap();
            file
        };
        let header = create("ring", 64 + u64::from(SLOTS) * 256);
        let pool = create("small", 64 + u64::from(SLOTS * STRIDE));
        let mut foreign = Self {
            header,
            pool,
            dir,
            epoch,
            raw: Raw::new(world),
            next: 0,
        };
        foreign.write_superblocks(pid);
        foreign
    }

    fn write_superblocks(&mut self, pid: u32) {
        let now = monotonic_ns().get();
        let header = ShmRegionSuperblock {
            magic: SUPERBLOCK_MAGIC,
            layout_version: 1,
            epoch: self.epoch,
            stream_id: STREAM.get(),
            region_type: RegionType::HeaderRing,
            pool_id: 0,
            nslots: SLOTS,
            slot_bytes: 256,
            stride_bytes: 0,
            pid: pid.into(),
            start_timestamp_ns: now,
            activity_timestamp_ns: now,
        };
        let pool = ShmRegionSuperblock {
            region_type: RegionType::PayloadPool,
            pool_id: 5,
            slot_bytes: STRIDE,
            stride_bytes: STRIDE,
            ..header
        };
        for (file, block) in [(&self.header, header), (&self.pool, pool)] {
            let mut bytes = [0; 64];
            block.encode_into(&mut bytes);
            file.write_all_at(&bytes, 0).unwrap();
        }
    }

    /// Announces on the control stream only, as those in the field do, and shows that it lives.
    pub(crate) fn announce(&mut self) {
        let now = monotonic_ns().get();
        for file in [&self.header, &self.pool] {
            file.write_all_at(&now.to_le_bytes(), 56).unwrap();
        }
        let uri = |name: &str| format!("shm:file?path={}", self.dir.join(name).display());
        let (header_uri, pool_uri) = (uri("ring"), uri("small"));
        let pools = [ShmPoolAnnouncePayloadPool {
            pool_id: 5,
            pool_nslots: SLOTS,
            stride_bytes: STRIDE,
            region_uri: pool_uri.as_bytes(),
        }];
        let announce = ShmPoolAnnounce {
            stream_id: STREAM.get(),
            producer_id: ID,
            epoch: self.epoch,
            announce_timestamp_ns: now,
            announce_clock_domain: ClockDomain::Monotonic,
            layout_version: 1,
            header_nslots: SLOTS,
            header_slot_bytes: 256,
            payload_pools: &pools,
            header_region_uri: header_uri.as_bytes(),
        };
        let mut bytes = vec![0; announce.encoded_len().unwrap()];
        announce.encode(&mut bytes).unwrap();
        self.raw.say(&bytes);
    }

    /// Announces, writes the next frame and tells of it.
    pub(crate) fn publish(&mut self) -> u64 {
        self.announce();
        let seq = self.next;
        self.next += 1;
        let index = seq % u64::from(SLOTS);
        let (slot_at, payload_at) = (64 + index * 256, 64 + index * u64::from(STRIDE));
        let word = |committed: u64| (seq << 1 | committed).to_le_bytes();
        self.header.write_all_at(&word(0), slot_at).unwrap();
        let values = payload(seq);
        self.pool.write_all_at(&values, payload_at).unwrap();
        let mut dims = [0; 8];
        dims[0] = i32::try_from(values.len()).unwrap();
        let slot = HeaderSlot {
            slot: SlotHeader {
                seq_commit: seq << 1,
                values_len_bytes: u32::try_from(values.len()).unwrap(),
                payload_slot: u32::try_from(index).unwrap(),
                pool_id: 5,
                payload_offset: 0,
                timestamp_ns: monotonic_ns().get(),
                meta_version: 0,
            },
            tensor: TensorHeader {
                dtype: Dtype::Uint8,
                major_order: MajorOrder::Row,
                ndims: 1,
                progress_unit: ProgressUnit::None,
                progress_stride_bytes: 0,
                dims,
                strides: [0; 8],
            },
        };
        let mut bytes = [0; 256];
        slot.encode_into(&mut bytes);
        self.header.write_all_at(&bytes, slot_at).unwrap();
        self.header.write_all_at(&word(1), slot_at).unwrap();
        let descriptor = FrameDescriptor {
            stream_id: STREAM.get(),
            epoch: self.epoch,
            seq,
            timestamp_ns: None,
            meta_version: None,
            trace_id: None,
        };
        let mut bytes = [0; FrameDescriptor::ENCODED_LEN];
        descriptor.encode_into(&mut bytes);
        self.raw.describe(&bytes);
        seq
    }
}
