use super::*;

fn find_in(files: &[(&str, &str)]) -> Proofs {
    let binary = TestBinary {
        package: "tensorpool-shm".to_owned(),
        name: "tensorpool-shm".to_owned(),
        root: files[0].0.to_owned(),
    };
    let sources = files.iter().copied().collect();
    find(&[binary], &sources)
}

fn tests_in(files: &[(&str, &str)]) -> Vec<String> {
    let found = find_in(files);
    assert_eq!(found.findings, []);
    let describe = |proof: &Proof| {
        let ids: Vec<String> = proof.ids.iter().map(ToString::to_string).collect();
        format!(
            "{}:{} {} {}",
            proof.path,
            proof.line,
            proof.test,
            ids.join(" ")
        )
    };
    found.proofs.iter().map(describe).collect()
}

fn only_finding(text: &str) -> String {
    let found = find_in(&[("shm/src/lib.rs", text)]);
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    found.findings[0].to_string()
}

#[test]
fn test_is_named_by_its_module_path_through_files_and_inline_modules() {
    let found = tests_in(&[
        (
            "shm/src/lib.rs",
            "mod a;\n#[path = \"gen/b_x.rs\"]\nmod b;\n",
        ),
        (
            "shm/src/a.rs",
            "mod tests {\n    /// Proves [TP-SHM-0010].\n    #[test]\n    fn one() {}\n}\nmod c;\n",
        ),
        (
            "shm/src/a/c.rs",
            "/// Proves [TP-SHM-0020] and [TP-SEC-0010].\n#[test]\nfn two() {}\n",
        ),
        ("shm/src/gen/b_x.rs", "mod deep;\n"),
        (
            "shm/src/gen/deep/mod.rs",
            "/// Text.\n/// Proves [TP-RT-0010].\n#[tokio::test]\nfn three() {}\n",
        ),
    ]);
    let expected = [
        "shm/src/a/c.rs:1 a::c::two TP-SHM-0020 TP-SEC-0010",
        "shm/src/a.rs:2 a::tests::one TP-SHM-0010",
        "shm/src/gen/deep/mod.rs:2 b::deep::three TP-RT-0010",
    ];
    assert_eq!(found, expected);
}

#[test]
fn tests_within_macros_are_found() {
    let text = "proptest! {\n    #![config(1)]\n    /// Proves [TP-SHM-0010].\n    #[test]\n    fn one(a: u8) { let b = a; }\n    \
                /// Says something.\n    #[test]\n    fn two(a: u8) {}\n}\n\
                golden!(\n    /// Proves [TP-WIRE-0010].\n    three: TEXT, Value { a: 1 }\n);\n";
    let expected = [
        "shm/src/lib.rs:3 one TP-SHM-0010",
        "shm/src/lib.rs:11 three TP-WIRE-0010",
    ];
    assert_eq!(tests_in(&[("shm/src/lib.rs", text)]), expected);
}

#[test]
fn loom_models_are_told_from_other_tests() {
    let text = "#[cfg(all(test, loom))]\nmod l {\n    /// Proves [TP-SHM-0010].\n    #[test]\n    fn a() {}\n}\n\
                #[cfg(all(test, not(loom)))]\nmod t {\n    /// Proves [TP-SHM-0010].\n    #[test]\n    fn b() {}\n}\n";
    let found = find_in(&[("shm/src/lib.rs", text)]);
    let loom: Vec<_> = found
        .proofs
        .iter()
        .map(|proof| (proof.test.as_str(), proof.loom))
        .collect();
    assert_eq!(loom, [("l::a", true), ("t::b", false)]);
}

#[test]
fn lines_that_were_read_are_reported_so_that_nobody_takes_them_for_code() {
    let text = "/// Proves [TP-SHM-0010].\n#[test]\nfn a() {}\n";
    let found = find_in(&[("shm/src/lib.rs", text)]);
    assert_eq!(found.lines["shm/src/lib.rs"], [1].into());
}

#[test]
fn more_than_three_ids_on_a_test_are_found() {
    let text = "/// Proves [TP-SHM-0010], [TP-SHM-0020].\n/// Proves [TP-SHM-0030], [TP-SHM-0040].\n#[test]\nfn a() {}\n";
    assert_eq!(
        only_finding(text),
        "shm/src/lib.rs:1: a carries 4 ids, at most 3: split the test"
    );
}

#[test]
fn id_on_a_function_that_is_no_test_is_found() {
    assert!(only_finding("/// Proves [TP-SHM-0010].\nfn a() {}\n").contains("a is no test"));
}

#[test]
fn malformed_id_is_found() {
    assert!(only_finding("/// Proves [TP-SHM-10].\n#[test]\nfn a() {}\n").contains("four digits"));
}

#[test]
fn id_above_a_test_outside_of_the_line_that_proves_is_found() {
    let text = "/// See [TP-SHM-0010].\n#[test]\nfn a() {}\n";
    assert!(only_finding(text).contains("go on a line that starts with `Proves `"));
    let text = "/// Proves [TP-SHM-0010] and\n/// [TP-SHM-0020].\n#[test]\nfn a() {}\n";
    assert!(only_finding(text).starts_with("shm/src/lib.rs:2: ids on test a"));
}
