//! What is measured, as arguments of `tensorpool-bench`.

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A look at everything in about a minute; figures are worth little.
    Quick,
    /// What the targets ask for, in a quarter of an hour at most.
    Default,
    /// The whole cross.
    Full,
}

const AVAILABILITIES: [&str; 2] = ["descriptor", "header-ring"];
/// Round trips of frames that are copied, and of frames that are there already.
const COPIED: &str = "--mode copy --size 64,4k,64k,640k,4m";
const CLAIMED: &str = "--mode claim --size 64,4k,64k,640k,4m,64m";

pub(super) fn measurements(extent: Extent) -> Vec<String> {
    let mut set = vec!["floor".to_owned(), "aeron".to_owned()];
    for availability in AVAILABILITIES {
        let frames = format!("--availability {availability}");
        set.push(format!("latency {frames} {COPIED} --iceoryx2"));
        set.push(format!("latency {frames} {CLAIMED}"));
        for rate in [1_000, 10_000] {
            set.push(format!("latency {frames} --size 64,640k --rate {rate}"));
        }
        set.push(format!("throughput {frames} --size 64 --iceoryx2"));
        for touch in ["header", "lines"] {
            set.push(format!(
                "throughput {frames} --size 640k,4m --touch {touch}"
            ));
        }
        for consumers in [1, 4, 16] {
            set.push(format!("cost {frames} --consumers {consumers}"));
        }
    }
    set.push("throughput --size 64 --pacing lossless".to_owned());
    set.push("scale --streams 1,1000".to_owned());
    set.push("memcpy --size 640k,4m".to_owned());
    match extent {
        Extent::Default => {}
        Extent::Quick => set
            .iter_mut()
            .for_each(|one| *one += " --rounds 5 --shrink 10"),
        Extent::Full => set.extend(cross()),
    }
    set
}

/// What the default set leaves out.
fn cross() -> Vec<String> {
    let mut cross = Vec::new();
    for availability in AVAILABILITIES {
        for touch in ["header", "lines"] {
            for consumers in [1, 2, 4, 8, 16] {
                for streams in [1, 10, 100, 1000] {
                    let frames = format!(
                        "--availability {availability} --touch {touch} --consumers {consumers} \
                         --streams {streams}"
                    );
                    for sizes in ["64,4k,64k", "640k,4m", "16m,64m"] {
                        let frames =
                            format!("{frames} --size {sizes} --mode copy,claim --rounds 50");
                        cross.push(format!("throughput {frames}"));
                        if consumers == 1 {
                            cross.push(format!("latency {frames}"));
                            cross.push(format!("latency {frames} --rate 1000"));
                        }
                    }
                }
            }
        }
    }
    cross
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extent_contains_what_the_targets_need() {
        for extent in [Extent::Quick, Extent::Default, Extent::Full] {
            let set = measurements(extent);
            for what in [
                "floor",
                "aeron",
                "latency",
                "throughput",
                "cost",
                "scale",
                "memcpy",
            ] {
                assert!(
                    set.iter().any(|one| one.starts_with(what)),
                    "{extent:?} {what}"
                );
            }
        }
        let (default, full) = (measurements(Extent::Default), measurements(Extent::Full));
        assert_eq!(full[..default.len()], default);
    }
}
