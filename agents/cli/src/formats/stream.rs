//! Reading exact amounts from streams that give what they have.

use std::io::{self, BufRead, ErrorKind, Read};

/// Fills as much of `buffer` as the stream has and returns how much that was.
pub(super) fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether the stream is at its end; waits for a byte or the end.
pub(super) fn at_end(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match reader.fill_buf() {
            Ok(bytes) => return Ok(bytes.is_empty()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads a line of at most `limit` bytes into `line`, without its newline. False at the end of the
/// stream, and when the line does not end within the limit: then `line` is what there was.
pub(super) fn read_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    limit: u64,
) -> io::Result<bool> {
    line.clear();
    reader.take(limit).read_until(b'\n', line)?;
    let is_complete = line.last() == Some(&b'\n');
    if is_complete {
        line.pop();
    }
    Ok(is_complete)
}

#[cfg(test)]
pub(super) mod testing {
    use std::io::{self, BufRead, ErrorKind, Read};

    /// Gives one byte at a time and is interrupted before each, like the worst pipe there is.
    pub(in super::super) struct Drip<'a> {
        bytes: &'a [u8],
        is_interrupted: bool,
    }

    impl<'a> Drip<'a> {
        pub(in super::super) fn new(bytes: &'a [u8]) -> Self {
            Self {
                bytes,
                is_interrupted: false,
            }
        }
    }

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = self.fill_buf()?;
            let count = one.len().min(buffer.len());
            buffer[..count].copy_from_slice(&one[..count]);
            self.consume(count);
            Ok(count)
        }
    }

    impl BufRead for Drip<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.is_interrupted = !self.is_interrupted;
            if self.is_interrupted {
                return Err(ErrorKind::Interrupted.into());
            }
            Ok(&self.bytes[..self.bytes.len().min(1)])
        }

        fn consume(&mut self, count: usize) {
            self.bytes = &self.bytes[count..];
        }
    }
}
