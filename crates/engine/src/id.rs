//! Names of things: hashes, checkpoint ids, namespaces, times.
