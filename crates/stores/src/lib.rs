//! Native adapters: where dotctl reads state from and keeps checkpoints on this machine.

#[cfg(unix)]
pub mod database;
