//! Frames to standard output, and waits for its reader that a signal ends.
//!
//! What is written is decided in [`super::sink`].

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::signals::StopFlag;

/// How long a wait may be before the stop flag is looked at again.
const WAIT_SLICE: Duration = Duration::from_millis(20);
/// How long a reader that takes nothing is waited for once the end was asked for.
const PATIENCE: Duration = Duration::from_millis(500);
/// What always fits once something does (POSIX: PIPE_BUF is no less than 512, Linux has a page).
const ALWAYS_FITS: usize = 4096;

/// Nobody took the bytes, and a signal asked for the end.
#[derive(Debug, thiserror::Error)]
#[error("the reader of standard output takes nothing, and a signal asked for the end")]
struct Stalled;

/// Whether writing ended as a signal asked for it while nobody read.
pub(super) fn is_stalled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Stalled>())
}

/// Standard output without a buffer. A write that waits for the reader fails some time after the
/// stop flag is set.
pub(super) struct Stdout {
    file: File,
    stop: StopFlag,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// A file: never waits for anybody.
    File,
    /// Writes take what fits.
    NonBlocking,
    /// A write of more than fits would block: so much as always fits.
    Blocking,
}

impl Stdout {
    /// Takes standard output over.
    ///
    /// # Errors
    /// When its descriptor cannot be duplicated.
    pub(super) fn open(stop: &StopFlag) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Self::of(file, stop)
    }

    fn of(file: File, stop: &StopFlag) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let (file, mode) = if kind.is_file() {
            (file, Mode::File)
        } else if let Some(pipe) = kind.is_fifo().then(|| reopen(&file)).flatten() {
            (pipe, Mode::NonBlocking)
        } else {
            (file, Mode::Blocking)
        };
        let stop = stop.clone();
        Ok(Self { file, stop, mode })
    }

    /// Waits until something can be written, for no longer than a slice.
    fn is_ready(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        let timeout = Timespec::try_from(WAIT_SLICE).unwrap_or_default();
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The same pipe for this process alone: whether writes block belongs to an open file, and others
/// have this one open as well.
fn reopen(file: &File) -> Option<File> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut options = OpenOptions::new();
    options.write(true);
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options.open(path).ok()
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.mode == Mode::File {
            return self.file.write(bytes);
        }
        let fitting = match self.mode {
            Mode::Blocking => &bytes[..bytes.len().min(ALWAYS_FITS)],
            Mode::NonBlocking | Mode::File => bytes,
        };
        let mut asked_to_end: Option<Instant> = None;
        loop {
            if self.is_ready()? {
                match self.file.write(fitting) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    written => return written,
                }
            }
            if self.stop.is_set() {
                let since = asked_to_end.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(io::Error::other(Stalled));
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn pipe(stop: bool) -> (Stdout, File) {
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        let stop = StopFlag::for_test(stop);
        let stdout = Stdout::of(File::from(writer), &stop).expect("taken over");
        (stdout, File::from(reader))
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_reader_that_takes_nothing() {
        let (anew, _reader) = pipe(true);
        assert_eq!(anew.mode, Mode::NonBlocking, "a pipe is opened anew");
        // Where it cannot be, writes block.
        let (_end, writer) = rustix::pipe::pipe().expect("pipe");
        let as_it_is = Stdout {
            file: File::from(writer),
            stop: StopFlag::for_test(true),
            mode: Mode::Blocking,
        };
        for mut stdout in [anew, as_it_is] {
            let error = stdout.write_all(&[7; 1 << 20]).expect_err("nobody reads");
            assert!(is_stalled(&error), "{error}");
        }
        assert!(!is_stalled(&io::Error::other("else")));
    }

    #[test]
    fn everything_arrives_at_a_reader_that_is_slow_also_after_a_signal() {
        let (mut stdout, mut reader) = pipe(true);
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i / 7) as u8).collect();
        let expected = bytes.clone();
        let writer = std::thread::spawn(move || stdout.write_all(&bytes));
        let mut found = vec![0; expected.len()];
        for part in found.chunks_mut(10_000) {
            reader.read_exact(part).expect("read");
        }
        writer.join().expect("no panic").expect("written");
        assert!(found == expected);
    }
}
