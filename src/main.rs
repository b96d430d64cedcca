//! `dotctl`, the command line.
fn main() {}
