//! Where the bytes of a frame go after they were copied out and proven whole.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::args::{OutputFormat, SubscribeArgs};
use crate::formats::checksum::Checksum;
use crate::formats::input::Format;
use crate::formats::layout::FrameLayout;
use crate::formats::npy::{NpyWriter, Stacking};
use crate::formats::output::{FrameOutput, OutputError};
use crate::formats::pattern::Pattern;
use crate::report::failure::misuse;
use crate::signals::StopFlag;

use super::stdout::Stdout;

/// Large enough that a frame is a handful of writes.
const OUTPUT_BUFFER_LEN: usize = 1 << 20;

enum Raw {
    File(BufWriter<File>),
    /// Without a buffer: who reads it sees a frame when it is received.
    Stdout(Stdout),
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

/// A file that frames may go to. It is opened at once, so that whoever may not write it learns so at
/// once, and stays what it is until there is a first frame.
struct Target {
    path: PathBuf,
    file: File,
    /// It was not there before.
    is_new: bool,
    is_begun: bool,
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, is_new) = match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (options.create(true).truncate(false).open(path)?, true)
            }
            opened => (opened?, false),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            is_new,
            is_begun: false,
        })
    }

    /// A frame is going to be written: what was there before is not needed any more.
    fn begin(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_begun, true) && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        Ok(())
    }
}

impl Drop for Target {
    /// A file that was made for frames that never came goes again.
    fn drop(&mut self) {
        if self.is_new && !self.is_begun {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// What is done with every frame.
pub(super) struct Sink {
    target: Option<Target>,
    output: Option<Output>,
    verify: Option<Pattern>,
    checksum: Option<Checksum>,
    wrong: u64,
    first_wrong: Option<String>,
}

impl Sink {
    /// Opens the output; a wait for the reader of a pipe ends with `stop`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn new(args: &SubscribeArgs, stop: &StopFlag) -> anyhow::Result<Self> {
        let (target, output) = match args.output.as_deref() {
            None => (None, None),
            Some(path) if path == Path::new("-") => {
                (None, Some(open_stdout(args.format, path, stop)?))
            }
            Some(path) => {
                let (target, output) = open_file(path, args.format)
                    .with_context(|| format!("cannot create {}", path.display()))?;
                (Some(target), Some(output))
            }
        };
        Ok(Self {
            target,
            output,
            verify: args.verify,
            checksum: args.checksum.then(Checksum::new),
            wrong: 0,
            first_wrong: None,
        })
    }

    /// Whether frames need to be copied out at all.
    pub(super) fn wants_bytes(&self) -> bool {
        self.output.is_some() || self.verify.is_some() || self.checksum.is_some()
    }

    /// Takes a frame; returns its checksum when checksums were asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn frame(
        &mut self,
        seq: u64,
        layout: &FrameLayout,
        bytes: &[u8],
    ) -> anyhow::Result<Option<u32>> {
        if let Some(Err(mismatch)) = self.verify.map(|pattern| pattern.verify(seq, bytes)) {
            self.wrong += 1;
            self.first_wrong
                .get_or_insert_with(|| format!("frame {seq}: {mismatch}"));
        }
        if let Some(target) = &mut self.target {
            target.begin().map_err(OutputError::from)?;
        }
        if let Some(output) = &mut self.output {
            output.write_frame(layout, bytes)?;
        }
        Ok(self.checksum.as_mut().map(|total| {
            total.update(bytes);
            Checksum::of(bytes)
        }))
    }

    /// Frames that were not what they should have been, and the first of them.
    pub(super) fn wrong(&self) -> (u64, Option<&str>) {
        (self.wrong, self.first_wrong.as_deref())
    }

    /// Checksum of all payload bytes so far, if it was asked for.
    pub(super) fn total_checksum(&self) -> Option<u32> {
        self.checksum.map(Checksum::value)
    }

    /// The output file, if it is as it was before, as there was no frame to write.
    pub(super) fn untouched(&self) -> Option<&Path> {
        let untouched = self.target.as_ref().filter(|target| !target.is_begun);
        untouched.map(|target| target.path.as_path())
    }

    /// Completes the output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.output
            .take()
            .map_or(Ok(()), |output| Ok(output.finish()?))
    }
}

type Output = FrameOutput<BufWriter<File>, Raw>;

fn is_npy(path: &Path, format: Option<OutputFormat>) -> bool {
    match format {
        Some(format) => format == OutputFormat::Npy,
        None => Format::of_name(path) == Some(Format::Npy),
    }
}

fn open_stdout(
    format: Option<OutputFormat>,
    path: &Path,
    stop: &StopFlag,
) -> anyhow::Result<Output> {
    if is_npy(path, format) {
        return Err(misuse(
            "a .npy file cannot be written to standard output: its header tells the number of frames, \
             which is known only at the end; give a file name, or --format raw",
        ));
    }
    let stdout = Stdout::open(stop).context("cannot write to standard output")?;
    Ok(FrameOutput::Raw(Raw::Stdout(stdout)))
}

fn open_file(path: &Path, format: Option<OutputFormat>) -> io::Result<(Target, Output)> {
    let target = Target::open(path)?;
    let file = BufWriter::with_capacity(OUTPUT_BUFFER_LEN, target.file.try_clone()?);
    let output = if is_npy(path, format) {
        FrameOutput::Npy(NpyWriter::new(file, Stacking::Several))
    } else {
        FrameOutput::Raw(Raw::File(file))
    };
    Ok((target, output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::dtype::ElementType;

    fn sink(path: &Path) -> anyhow::Result<Sink> {
        let args = ["agent-runner", "subscribe", "-o", path.to_str().unwrap()];
        let cli = <crate::args::Cli as clap::Parser>::try_parse_from(args).unwrap();
        let crate::args::Command::Subscribe(args) = cli.command else {
            panic!("another command");
        };
        Sink::new(&args, &StopFlag::for_test(false))
    }

    fn write(sink: &mut Sink, bytes: &[u8]) {
        let shape = "3".parse().unwrap();
        let layout = FrameLayout::row_major(ElementType::U8, shape);
        sink.frame(0, &layout, bytes).unwrap();
    }

    #[test]
    fn a_recording_stays_what_it_is_until_there_is_a_frame_for_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["old.raw", "old.npy"] {
            let path = dir.path().join(name);
            std::fs::write(&path, b"as it was, and longer than what comes").unwrap();
            let mut none = sink(&path).unwrap();
            assert_eq!(none.untouched(), Some(path.as_path()));
            none.finish().unwrap();
            drop(none);
            assert!(std::fs::read(&path).unwrap().starts_with(b"as it was"));

            let mut one = sink(&path).unwrap();
            write(&mut one, b"new");
            assert_eq!(one.untouched(), None);
            one.finish().unwrap();
            drop(one);
            let written = std::fs::read(&path).unwrap();
            let header_len = if name == "old.npy" { 128 } else { 0 };
            assert_eq!(written.len(), header_len + 3);
            assert!(written.ends_with(b"new"));
        }
    }

    #[test]
    fn no_file_is_left_where_there_was_none_and_no_frame() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new.npy");
        let mut none = sink(&path).unwrap();
        assert!(
            path.exists(),
            "it is known at once whether it can be written"
        );
        none.finish().unwrap();
        drop(none);
        assert!(!path.exists());
        assert!(sink(&dir.path().join("nowhere/x.raw")).is_err());

        let mut one = sink(&path).unwrap();
        write(&mut one, b"new");
        one.finish().unwrap();
        drop(one);
        assert!(path.exists());
    }
}
