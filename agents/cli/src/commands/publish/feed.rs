//! The bytes of an input, and waits for them that a signal ends.
//!
//! What the bytes mean is known in [`crate::formats`].

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::stall::Stall;
use crate::signals::StopFlag;

/// How long a wait may be before the stop flag is looked at again.
const WAIT_SLICE: Duration = Duration::from_millis(20);

/// A file, named pipe or standard input. A read that waits for bytes fails once the stop flag is set: whoever reads
/// looks at the flag to tell this from a broken input.
pub(super) struct Feed {
    file: File,
    stop: StopFlag,
    stall: Rc<Stall>,
}

impl Feed {
    /// Standard input, without a buffer of its own.
    ///
    /// # Errors
    /// When its descriptor cannot be duplicated.
    pub(super) fn stdin(stop: &StopFlag, stall: &Rc<Stall>) -> io::Result<Self> {
        Ok(Self {
            file: File::from(io::stdin().as_fd().try_clone_to_owned()?),
            stop: stop.clone(),
            stall: Rc::clone(stall),
        })
    }

    /// Opens a file. That of a named pipe does not wait for its writer: the first read does.
    ///
    /// # Errors
    /// When it cannot be opened for reading.
    pub(super) fn open(path: &Path, stop: &StopFlag, stall: &Rc<Stall>) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        Ok(Self {
            file,
            stop: stop.clone(),
            stall: Rc::clone(stall),
        })
    }

    /// Waits until a read gives something, be it the end, for no longer than `timeout`.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).unwrap_or_default();
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.wait(WAIT_SLICE)? {
                match self.file.read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => return read,
                }
            } else {
                self.stall.on_wait();
            }
            if self.stop.is_set() {
                return Err(io::Error::other("a signal ended the wait for input"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reporter;
    use std::io::Write;

    fn feed(stop: bool) -> (Feed, File) {
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        let feed = Feed {
            file: File::from(reader),
            stop: StopFlag::for_test(stop),
            stall: Rc::new(Stall::new(Rc::new(Reporter::new(false, true)))),
        };
        (feed, File::from(writer))
    }

    #[test]
    fn a_pipe_that_gives_nothing_is_not_ready_and_one_with_bytes_or_an_end_is() {
        let (feed, mut writer) = feed(false);
        assert!(!feed.wait(Duration::ZERO).expect("polled"));
        writer.write_all(b"x").expect("written");
        assert!(feed.wait(Duration::ZERO).expect("polled"));
        let mut byte = [0];
        assert_eq!((&feed.file).read(&mut byte).expect("read"), 1);
        drop(writer);
        assert!(feed.wait(Duration::ZERO).expect("polled"));
    }

    #[test]
    fn a_signal_ends_the_wait_for_bytes_that_do_not_come() {
        let (mut feed, _writer) = feed(true);
        let message = feed.read(&mut [0]).expect_err("stopped").to_string();
        assert!(message.contains("signal"), "{message}");
    }

    #[test]
    fn bytes_that_are_there_are_read_even_after_a_signal() {
        let (mut feed, mut writer) = feed(true);
        writer.write_all(b"abc").expect("written");
        let mut bytes = [0; 8];
        assert_eq!(feed.read(&mut bytes).expect("read"), 3);
    }
}
