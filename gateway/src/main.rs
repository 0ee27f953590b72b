//! The binary.
#![allow(clippy::print_stdout)]
fn main() {}
