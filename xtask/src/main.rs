//! The project's front door: setup, demo, test, ci, codegen, tidy.

fn main() {}
