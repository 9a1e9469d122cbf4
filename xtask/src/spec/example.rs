//! A small specification with a test and its report, for this tool's own tests.

use super::document::{Document, parse};
use super::proofs::{Proof, TestBinary, find};
use crate::tidy::source::SourceFile;

pub(super) const JUNIT: &str = r#"<testsuites time="0.5"><testsuite name="tensorpool-shm">
    <testcase name="tests::one"/>
</testsuite></testsuites>"#;

pub(super) const SPEC: &str = "# Shared memory

## Slots

Code: [lib.rs](../../shm/src/lib.rs)

- <a id=\"tp-shm-0010\"></a>**[TP-SHM-0010]** A slot MUST have \"256\" bytes. *(Wire v1.2 §8.1)*
- <a id=\"tp-shm-0020\"></a>**[TP-SHM-0020]** A slot SHOULD be warm. *(own rule: comfort)*
";

pub(super) const CODE: &str = "//! Slots.

fn slot() {}

#[cfg(test)]
mod tests {
    /// Proves [TP-SHM-0010].
    #[test]
    fn one() {}
}
";

pub(super) fn document() -> Document {
    let (document, findings) = parse(&SourceFile::new("docs/spec/20-shared-memory.md", SPEC));
    assert_eq!(findings, []);
    document
}

pub(super) fn binary() -> TestBinary {
    TestBinary {
        package: "tensorpool-shm".to_owned(),
        name: "tensorpool-shm".to_owned(),
        root: "shm/src/lib.rs".to_owned(),
    }
}

pub(super) fn proofs() -> Vec<Proof> {
    let sources = [("shm/src/lib.rs", CODE)].into();
    find(&[binary()], &sources).proofs
}
