//! Native adapters: where dotctl reads state from and keeps checkpoints on this machine.

pub mod entries;
pub mod input;
pub mod spill;
