//! Checkpoints in buckets, on real servers, and what every store must do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod command;
mod conformance;
mod faults;
mod going_on;
mod killed;
mod killed_chain;
mod killed_prune;
mod made;
mod memory;
#[cfg(target_os = "linux")]
mod peak;
mod persisted;
mod proxy;
mod prune;
mod replay;
mod servers;
#[path = "../support/mod.rs"]
mod support;
