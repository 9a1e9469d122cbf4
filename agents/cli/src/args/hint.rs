//! What is to be said of command lines that are refused for something else than what is wrong.

use std::ffi::OsString;

use crate::formats::size::ByteSize;

/// What the user of a refused command line may not know.
pub fn hint(args: impl IntoIterator<Item = OsString>) -> Option<String> {
    let args: Vec<OsString> = args.into_iter().collect();
    let spaced = args.windows(2).find(|two| two[0] == "--progress")?;
    let size = spaced[1].to_str()?;
    size.parse::<ByteSize>().ok()?;
    Some(format!(
        "--progress takes its size behind an equals sign: --progress={size}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_was_taken_for_the_input_is_told_of() {
        let of = |args: &[&str]| hint(args.iter().map(OsString::from));
        let told = of(&["publish", "--progress", "16KiB", "--pattern", "seq"]).unwrap();
        assert!(told.ends_with("--progress=16KiB"), "{told}");
        assert_eq!(of(&["publish", "--progress", "camera.raw"]), None);
        assert_eq!(of(&["publish", "--progress=16KiB", "a", "b"]), None);
    }
}
