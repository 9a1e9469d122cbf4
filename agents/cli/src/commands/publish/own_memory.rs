//! What memory a producer without a driver makes: as the flags say, else as the configuration has it
//! for the stream, else what its frames need.

use anyhow::{Context, bail};
use tensorpool::client::OwnRegions;

use crate::args::{OwnMemoryArgs, PublishArgs};
use crate::commands::settings;
use crate::config::DriverSettings;
use crate::report::failure::misuse;

/// Slots without a word about it.
const DEFAULT_SLOT_COUNT: u32 = 16;
/// Bytes no slot is shorter than.
const MIN_STRIDE_BYTES: u64 = 64;

/// The memory to make; `None` with a driver.
///
/// # Errors
/// When its sizes are impossible, or no frame fits.
pub(super) fn regions(
    args: &PublishArgs,
    settings: &DriverSettings,
    frame_len: u64,
) -> anyhow::Result<Option<OwnRegions>> {
    if !args.own.no_driver {
        return Ok(None);
    }
    if args.stream.stream == 0 {
        return Err(misuse(
            "--no-driver: --stream 0 would ask a driver for any id; give one",
        ));
    }
    let configured = match &args.aeron.config {
        Some(_) => settings::layout(settings, args.stream.stream)?,
        None => None,
    };
    let (slot_count, pools) = layout(&args.own, configured, frame_len)?;
    let largest = pools.iter().map(|&(_, stride)| stride).max().unwrap_or(0);
    if u64::from(largest) < frame_len {
        bail!(
            "frames have {frame_len} bytes and the largest pool slots of {largest}: give --pool {}",
            fitting_stride(frame_len)
        );
    }
    let mut regions = OwnRegions::new(slot_count, &pools).context("--no-driver")?;
    settings::apply(settings, &mut regions);
    Ok(Some(regions))
}

type Layout = (u32, Vec<(u16, u32)>);

fn layout(
    own: &OwnMemoryArgs,
    configured: Option<Layout>,
    frame_len: u64,
) -> anyhow::Result<Layout> {
    let (slots, pools) = configured.unzip();
    let slot_count = own.nslots.or(slots).unwrap_or(DEFAULT_SLOT_COUNT);
    if !own.pool.is_empty() {
        let numbered = own.pool.iter().zip(1..);
        let pools = numbered.map(|(&(id, stride), number)| (id.unwrap_or(number), stride));
        return Ok((slot_count, pools.collect()));
    }
    if let Some(pools) = pools {
        return Ok((slot_count, pools));
    }
    let stride = fitting_stride(frame_len);
    let stride = u32::try_from(stride)
        .with_context(|| format!("frames of {frame_len} bytes are longer than any slot"))?;
    Ok((slot_count, vec![(1, stride)]))
}

/// The smallest power of two that fits.
fn fitting_stride(frame_len: u64) -> u64 {
    frame_len
        .max(MIN_STRIDE_BYTES)
        .checked_next_power_of_two()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_configuration_before_what_a_frame_needs() {
        let none = OwnMemoryArgs::default();
        let sizes = |own: &OwnMemoryArgs, configured| layout(own, configured, 5_000).unwrap();
        assert_eq!(sizes(&none, None), (16, vec![(1, 8_192)]));
        let configured = Some((64, vec![(7, 65_536)]));
        assert_eq!(
            sizes(&none, configured.clone()),
            configured.clone().unwrap()
        );
        let own = OwnMemoryArgs {
            nslots: Some(4),
            ..none.clone()
        };
        assert_eq!(sizes(&own, configured.clone()), (4, vec![(7, 65_536)]));
        let own = OwnMemoryArgs {
            pool: vec![(None, 64), (Some(9), 8_192)],
            ..none
        };
        assert_eq!(sizes(&own, configured), (64, vec![(1, 64), (9, 8_192)]));
        assert!(layout(&OwnMemoryArgs::default(), None, 5 << 30).is_err());
    }
}
