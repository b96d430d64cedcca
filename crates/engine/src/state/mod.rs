//! State: a sequence of state entries `[key, {value, createdAt, expiresAt?}]` as JSON text.
