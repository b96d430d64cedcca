//! A border around code of others that panics on input which it did not foresee.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static QUIET: Once = Once::new();

/// What `work` gives, or `None` if it panics, which nobody is told then. What it was working on is not
/// to be used again.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |facts| {
            if !INSIDE.get() {
                before(facts);
            }
        }));
    });
    INSIDE.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(false);
    done.ok()
}

/// Ends the process at any panic outside of [`guarded`]: other threads may wait for the one that is gone.
pub fn abort_elsewhere() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |facts| {
        before(facts);
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_is_an_answer() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| -> u8 { panic!("nobody reads this") }), None);
        assert_eq!(guarded(|| 2), Some(2));
    }
}
