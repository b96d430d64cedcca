//! Values: the V8 structured-clone format in which an object stores its key-value entries.
