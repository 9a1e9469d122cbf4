//! Puts the fragments of a message together again. Knows nothing of Aeron beyond a fragment's flags.

use crate::native::subscription::FragmentHeader;
use crate::subscription::FragmentInfo;

/// Reassembly for one subscription.
///
/// A buffer belongs to a session only between the first and the last fragment of a message and is reused by
/// any session afterwards, so there are as many as messages were ever under way at once.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    buffers: Vec<Buffer>,
    partial_count: usize,
    incomplete_count: u64,
}

#[derive(Debug)]
struct Buffer {
    session_id: i32,
    in_use: bool,
    reserved_value: i64,
    /// Where the next fragment of the message starts: the stream position after the last one.
    next_position: i64,
    bytes: Vec<u8>,
}

impl Assembler {
    /// No message is longer (Aeron's own limit): what goes on beyond that is no message.
    const MAX_MESSAGE_LEN: usize = 16 << 20;
    /// A buffer that has grown beyond this is given back to the system after its message.
    const MAX_KEPT_LEN: usize = 4 << 20;

    /// Calls `handler` when the fragment completes a message.
    #[inline]
    pub(crate) fn on_fragment<F: FnMut(&[u8], FragmentInfo)>(
        &mut self,
        payload: &[u8],
        header: FragmentHeader,
        handler: &mut F,
    ) {
        const WHOLE: u8 = FragmentHeader::BEGIN | FragmentHeader::END;
        if header.flags & WHOLE == WHOLE {
            handler(payload, info_of(&header, header.reserved_value));
        } else {
            self.on_part(payload, header, handler);
        }
    }

    #[cold]
    // [TP-RT-0970]
    fn on_part<F: FnMut(&[u8], FragmentInfo)>(
        &mut self,
        payload: &[u8],
        header: FragmentHeader,
        handler: &mut F,
    ) {
        if header.flags & FragmentHeader::BEGIN != 0 {
            self.begin(payload, &header);
            return;
        }
        let Some(index) = self
            .buffers
            .iter()
            .position(|b| b.in_use && b.session_id == header.session_id)
        else {
            // Joined in the middle of a message: its end is of no use. Counted once, with the last fragment.
            if header.flags & FragmentHeader::END != 0 {
                self.incomplete_count += 1;
            }
            return;
        };
        let buffer = &self.buffers[index];
        let is_too_long = buffer.bytes.len() + payload.len() > Self::MAX_MESSAGE_LEN;
        if is_too_long || buffer.next_position != start_of(payload, &header) {
            self.release(index);
            self.incomplete_count += 1;
            return;
        }
        let buffer = &mut self.buffers[index];
        buffer.bytes.extend_from_slice(payload);
        buffer.next_position = header.position;
        if header.flags & FragmentHeader::END == 0 {
            return;
        }
        let info = info_of(&header, buffer.reserved_value);
        // The handler may panic: the buffer is free again before it runs, its bytes are put back after.
        // [TP-RT-1000]
        let bytes = std::mem::take(&mut buffer.bytes);
        self.release(index);
        handler(&bytes, info);
        if bytes.capacity() <= Self::MAX_KEPT_LEN {
            self.buffers[index].bytes = bytes;
        }
    }

    // [TP-RT-0970]
    fn begin(&mut self, payload: &[u8], header: &FragmentHeader) {
        let same = self
            .buffers
            .iter()
            .position(|b| b.in_use && b.session_id == header.session_id);
        let index = match same {
            Some(index) => {
                self.incomplete_count += 1;
                index
            }
            None => {
                self.partial_count += 1;
                self.free_index()
            }
        };
        let buffer = &mut self.buffers[index];
        buffer.in_use = true;
        buffer.session_id = header.session_id;
        buffer.reserved_value = header.reserved_value;
        buffer.next_position = header.position;
        buffer.bytes.clear();
        buffer.bytes.extend_from_slice(payload);
    }

    fn free_index(&mut self) -> usize {
        // The largest free one: alternating sessions then do not each grow a buffer of their own.
        let largest = (0..self.buffers.len())
            .filter(|&index| !self.buffers[index].in_use)
            .max_by_key(|&index| self.buffers[index].bytes.capacity());
        largest.unwrap_or_else(|| {
            self.buffers.push(Buffer {
                session_id: 0,
                in_use: false,
                reserved_value: 0,
                next_position: 0,
                bytes: Vec::new(),
            });
            self.buffers.len() - 1
        })
    }

    fn release(&mut self, index: usize) {
        self.buffers[index].in_use = false;
        self.partial_count -= 1;
    }

    /// Whether a message is under way.
    #[inline]
    pub(crate) fn has_partial(&self) -> bool {
        self.partial_count > 0
    }

    /// Gives up the messages of sessions that `is_alive` denies.
    pub(crate) fn retain_partials(&mut self, mut is_alive: impl FnMut(i32) -> bool) {
        for index in 0..self.buffers.len() {
            if self.buffers[index].in_use && !is_alive(self.buffers[index].session_id) {
                self.release(index);
                self.incomplete_count += 1;
            }
        }
    }

    /// Gives up all messages that are under way: their sessions are gone.
    #[cold]
    pub(crate) fn clear(&mut self) {
        self.retain_partials(|_| false);
    }

    /// Messages that were given up.
    pub(crate) fn incomplete_count(&self) -> u64 {
        self.incomplete_count
    }
}

/// The stream position a fragment starts at: its end less its frame, which is padded to 32 bytes.
fn start_of(payload: &[u8], header: &FragmentHeader) -> i64 {
    const HEADER_LEN: usize = 32;
    const ALIGNMENT: usize = 32;
    let frame_len = (payload.len() + HEADER_LEN).next_multiple_of(ALIGNMENT);
    header.position - i64::try_from(frame_len).unwrap_or(i64::MAX)
}

fn info_of(header: &FragmentHeader, reserved_value: i64) -> FragmentInfo {
    FragmentInfo {
        session_id: header.session_id,
        stream_id: header.stream_id,
        position: header.position,
        reserved_value,
    }
}

#[cfg(test)]
#[path = "assembler_tests.rs"]
mod tests;
