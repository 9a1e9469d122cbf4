//! Where the bytes of a frame go after they were copied out and proven whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, bail};

use crate::args::{OutputFormat, SubscribeArgs};
use crate::formats::checksum::Checksum;
use crate::formats::input::Format;
use crate::formats::layout::FrameLayout;
use crate::formats::npy::{NpyWriter, Stacking};
use crate::formats::output::FrameOutput;
use crate::formats::pattern::Pattern;

/// Large enough that a frame is a handful of writes.
const OUTPUT_BUFFER_LEN: usize = 1 << 20;

enum Raw {
    File(BufWriter<File>),
    /// Without a buffer: who reads it sees a frame when it is received.
    Stdout(File),
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

/// What is done with every frame.
pub(super) struct Sink {
    output: Option<FrameOutput<BufWriter<File>, Raw>>,
    verify: Option<Pattern>,
    checksum: Option<Checksum>,
    wrong: u64,
    first_wrong: Option<String>,
}

impl Sink {
    /// Opens the output.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn new(args: &SubscribeArgs) -> anyhow::Result<Self> {
        let output = args
            .output
            .as_deref()
            .map(|path| open(path, args.format))
            .transpose()?;
        Ok(Self {
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

fn open(
    path: &Path,
    format: Option<OutputFormat>,
) -> anyhow::Result<FrameOutput<BufWriter<File>, Raw>> {
    let npy = match format {
        Some(format) => format == OutputFormat::Npy,
        None => Format::of_name(path) == Some(Format::Npy),
    };
    if path == Path::new("-") {
        if npy {
            bail!(
                "a .npy file cannot be written to standard output: its header tells the number of frames, \
                 which is known only at the end; give a file name, or --format raw"
            );
        }
        let stdout = std::io::stdout().as_fd().try_clone_to_owned();
        let stdout = stdout.context("cannot write to standard output")?;
        return Ok(FrameOutput::Raw(Raw::Stdout(File::from(stdout))));
    }
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let file = BufWriter::with_capacity(OUTPUT_BUFFER_LEN, file);
    Ok(if npy {
        FrameOutput::Npy(NpyWriter::new(file, Stacking::Several))
    } else {
        FrameOutput::Raw(Raw::File(file))
    })
}
