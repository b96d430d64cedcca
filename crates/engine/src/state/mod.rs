//! State: a sequence of state entries `[key, {value, createdAt, expiresAt?}]` as JSON text.

/// Largest entry, as compact JSON text: eight times what an object may store under one key.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;
