//! `estimate`, `budget` and `plan`, through the built binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod budget;
mod estimate;
mod page;
mod plan;
#[path = "../support/mod.rs"]
mod support;
