//! The commands in the README do what it says.
//!
//! `cargo xtask demo` is a step of CI of its own, and `cargo xtask test` is what runs this.

use std::path::{Path, PathBuf};
use std::process::Command;

use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::sandbox::agent_runner;
use tensorpool_tests::{Process, Sandbox};

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    std::fs::read_to_string(path).expect("README.md")
}

/// The `sh` blocks, in order.
fn shell_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("```sh\n") {
        let body = &rest[start + 6..];
        let end = body.find("```").expect("a block ends");
        blocks.push(body[..end].to_owned());
        rest = &body[end + 3..];
    }
    blocks
}

/// Runs a block as a user would, in a sandbox whose files it may name; gives what it printed.
fn run(sandbox: &Sandbox, block: &str) -> String {
    // Background jobs that do not end by themselves are ended; the others are waited for.
    let script = format!(
        "set -e\n{block}\nfor pid in $(jobs -p | tail -n +2); do wait $pid; done\n\
         kill $(jobs -p | head -n 1); wait\n"
    );
    let path = std::env::join_paths(
        agent_runner()
            .parent()
            .into_iter()
            .map(PathBuf::from)
            .chain(std::env::split_paths(
                &std::env::var_os("PATH").unwrap_or_default(),
            )),
    )
    .expect("a search path");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .current_dir(sandbox.path())
        .env("PATH", path)
        .env("AERON_DIR", sandbox.aeron_dir())
        .env("SHM_BASE_DIR", sandbox.base_dir());
    let mut process = Process::spawn("README", command);
    process.wait_exit(PATIENCE);
    process.expect_success();
    process.transcript()
}

fn block_with(words: &str) -> String {
    let blocks = shell_blocks(&readme());
    blocks
        .into_iter()
        .find(|block| block.contains(words))
        .unwrap_or_else(|| panic!("the README has no block with {words:?}"))
}

#[test]
fn every_block_is_run_by_a_test() {
    let known = [
        "cargo xtask",
        "--pattern interop",
        "image.npy",
        "clip.y4m",
        "--own-stream",
    ];
    for block in shell_blocks(&readme()) {
        assert!(
            known.iter().any(|words| block.contains(words)),
            "no test runs:\n{block}"
        );
    }
}

#[test]
fn the_first_lines_are_the_two_commands() {
    let blocks = shell_blocks(&readme());
    assert_eq!(blocks[0], "cargo xtask demo\ncargo xtask test\n");
}

#[test]
fn a_pattern_is_published_and_verified() {
    let sandbox = Sandbox::new();
    let said = run(&sandbox, &block_with("--pattern interop"));
    assert!(said.contains("received 1000 frames"), "{said}");
    assert!(said.contains("every byte verified"), "{said}");
}

#[test]
fn a_display_gets_a_stream_of_its_own() {
    let sandbox = Sandbox::new();
    let said = run(&sandbox, &block_with("--own-stream"));
    assert!(said.contains("descriptors on its own stream 310"), "{said}");
    assert!(said.contains("skipped for the rate"), "{said}");
    assert!(said.contains("every byte verified"), "{said}");
}

#[test]
fn an_array_comes_out_as_it_went_in() {
    let sandbox = Sandbox::new();
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend_from_slice(b"{'descr': '<f4', 'fortran_order': False, 'shape': (64, 32), }");
    file.resize(127, b' ');
    file.push(b'\n');
    file.extend((0..64 * 32u16).flat_map(|i| f32::from(i).to_le_bytes()));
    let input = sandbox.write("image.npy", &file);
    run(&sandbox, &block_with("image.npy"));
    let copy = std::fs::read(sandbox.path().join("copy.npy")).expect("copy.npy");
    assert_eq!(copy, std::fs::read(input).expect("image.npy"));
}

#[test]
fn a_video_in_a_pipe_comes_out_as_raw_frames() {
    let sandbox = Sandbox::new();
    let mut video = b"YUV4MPEG2 W64 H48 F30:1 Ip C420jpeg\n".to_vec();
    let mut raw = Vec::new();
    for frame in 0..40u8 {
        video.extend_from_slice(b"FRAME\n");
        let pixels: Vec<u8> = (0..64 * 48 * 3 / 2).map(|i| (i as u8) ^ frame).collect();
        video.extend_from_slice(&pixels);
        raw.extend_from_slice(&pixels);
    }
    let _clip = sandbox.write("clip.y4m", &video);
    run(&sandbox, &block_with("clip.y4m"));
    let frames = std::fs::read(sandbox.path().join("frames.yuv")).expect("frames.yuv");
    assert_eq!(frames, raw);
}
