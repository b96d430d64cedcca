//! Several threads on one ordered stream of chunks, within bounded memory.
//!
//! Slots hold the buffers and go round: a worker takes a free slot, fills it from the source (one
//! at a time), works on it (all at once), and the calling thread consumes it in the order of
//! filling and frees it. Buffers are touched again and again instead of fresh memory, which is
//! the slowest there is.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use dotctl_engine::Result;

use crate::interrupt;

/// Threads that work on chunks: as many as the machine runs at once, within reason.
pub fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// The same where the number of chunks is known: no thread for a single one, which costs more to
/// start than most such chunks take.
pub fn worker_count_for(chunks: u64) -> usize {
    if chunks <= 1 { 0 } else { worker_count() }
}

/// The same for workers that write what they made past the page cache: half of their time they
/// wait for the disk, and as many again keep the processor busy meanwhile.
pub fn writing_worker_count_for(chunks: u64) -> usize {
    worker_count_for(chunks) * 2
}

/// Slots for `workers` threads whose chunks aim at `chunk_bytes`: one at work for each, as many
/// waiting for their turn, and never more than some 16 MiB of raw bytes.
pub fn slot_count(workers: usize, chunk_bytes: u32) -> usize {
    let affordable = (16 << 20) / (chunk_bytes as usize).max(1);
    (workers * 2 + 1).min(affordable).max(2)
}

/// A buffer set that goes round.
pub trait Slot: Default + Send {
    /// Bytes that its buffers hold, or will hold once it has been worked on.
    fn held_bytes(&self) -> usize;
}

/// Bytes of all slots between their filling and their end; one slot may be larger by itself.
const IN_FLIGHT_BYTES_MAX: usize = 24 << 20;

/// A slot with one very large record: nobody fills another while it is on its way.
const ALONE_BYTES: usize = 16 << 20;

/// Buffers up to this size are used again.
const KEPT_BYTES_MAX: usize = 4 << 20;

struct Shared<S> {
    free: Vec<S>,
    /// Slots that have been worked on, with the bytes they count for.
    done: BTreeMap<u64, (S, usize)>,
    filled: u64,
    consumed: u64,
    in_flight_bytes: usize,
    ended: bool,
    failure: Option<dotctl_engine::Error>,
}

struct Belt<S> {
    shared: Mutex<Shared<S>>,
    changed: Condvar,
}

impl<S> Belt<S> {
    fn lock(&self) -> MutexGuard<'_, Shared<S>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Shared<S>>) -> MutexGuard<'a, Shared<S>> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: dotctl_engine::Error) {
        let mut shared = self.lock();
        shared.failure.get_or_insert(error);
        shared.ended = true;
        self.changed.notify_all();
    }
}

/// Ends the belt if its thread panics, so that nobody waits for ever.
struct EndOnPanic<'a, S>(&'a Belt<S>);

impl<S> Drop for EndOnPanic<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(dotctl_engine::Error::new(dotctl_engine::ErrorKind::Io, "a worker thread died"));
        }
    }
}

/// Runs every slot that `fill` fills (until it says `false`) through `work` on `workers` threads
/// and then through `consume`, in order, on the calling thread. The first failure ends all. Without
/// workers the calling thread does everything.
pub fn run<S: Slot, W>(
    workers: usize,
    slots: usize,
    mut fill: impl FnMut(&mut S) -> Result<bool> + Send,
    worker: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, &mut S) -> Result<()> + Sync,
    mut consume: impl FnMut(&mut S) -> Result<()>,
) -> Result<()> {
    if workers == 0 {
        let (mut slot, mut tools) = (S::default(), worker()?);
        while fill(&mut slot)? {
            work(&mut tools, &mut slot)?;
            interrupt::check()?;
            consume(&mut slot)?;
        }
        return Ok(());
    }
    let belt = Belt {
        shared: Mutex::new(Shared {
            free: (0..slots).map(|_| S::default()).collect(),
            done: BTreeMap::new(),
            filled: 0,
            consumed: 0,
            in_flight_bytes: 0,
            ended: false,
            failure: None,
        }),
        changed: Condvar::new(),
    };
    let fill = Mutex::new(fill);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let _end = EndOnPanic(&belt);
                if let Err(error) = worker().and_then(|mut tools| turn(&belt, &fill, &work, &mut tools)) {
                    belt.fail(error);
                }
            });
        }
        let _end = EndOnPanic(&belt);
        if let Err(error) = drain(&belt, &mut consume) {
            belt.fail(error);
        }
    });
    match belt.lock().failure.take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn turn<S: Slot, W>(
    belt: &Belt<S>,
    fill: &Mutex<impl FnMut(&mut S) -> Result<bool>>,
    work: &impl Fn(&mut W, &mut S) -> Result<()>,
    tools: &mut W,
) -> Result<()> {
    loop {
        let mut filler = fill.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slot = {
            let mut shared = belt.lock();
            loop {
                if shared.ended {
                    return Ok(());
                }
                match shared.free.pop() {
                    Some(slot) => break slot,
                    None => shared = belt.wait(shared),
                }
            }
        };
        let filled = filler(&mut slot)?;
        let mut shared = belt.lock();
        if !filled {
            shared.ended = true;
            belt.changed.notify_all();
            return Ok(());
        }
        let number = shared.filled;
        shared.filled += 1;
        let bytes = slot.held_bytes();
        // Nobody else fills meanwhile.
        while shared.consumed < number
            && shared.in_flight_bytes.saturating_add(bytes) > IN_FLIGHT_BYTES_MAX
            && shared.failure.is_none()
        {
            shared = belt.wait(shared);
        }
        shared.in_flight_bytes = shared.in_flight_bytes.saturating_add(bytes);
        drop(shared);
        if bytes <= ALONE_BYTES {
            drop(filler);
            finish(belt, number, (slot, bytes), |slot| work(tools, slot))?;
            continue;
        }
        finish(belt, number, (slot, bytes), |slot| work(tools, slot))?;
        let mut shared = belt.lock();
        while shared.consumed <= number && shared.failure.is_none() {
            shared = belt.wait(shared);
        }
    }
}

fn finish<S>(
    belt: &Belt<S>,
    number: u64,
    (mut slot, bytes): (S, usize),
    work: impl FnOnce(&mut S) -> Result<()>,
) -> Result<()> {
    work(&mut slot)?;
    belt.lock().done.insert(number, (slot, bytes));
    belt.changed.notify_all();
    Ok(())
}

fn drain<S: Slot>(belt: &Belt<S>, consume: &mut impl FnMut(&mut S) -> Result<()>) -> Result<()> {
    let mut next = 0;
    loop {
        let (mut slot, bytes) = {
            let mut shared = belt.lock();
            loop {
                if shared.failure.is_some() {
                    return Ok(());
                }
                if let Some(done) = shared.done.remove(&next) {
                    break done;
                }
                if shared.ended && next == shared.filled {
                    return Ok(());
                }
                shared = belt.wait(shared);
            }
        };
        interrupt::check()?;
        consume(&mut slot)?;
        next += 1;
        if slot.held_bytes() > KEPT_BYTES_MAX {
            slot = S::default();
        }
        let mut shared = belt.lock();
        shared.consumed = next;
        shared.in_flight_bytes = shared.in_flight_bytes.saturating_sub(bytes);
        shared.free.push(slot);
        belt.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dotctl_engine::Error;

    #[derive(Default)]
    struct Number(u64, usize);

    impl Slot for Number {
        fn held_bytes(&self) -> usize {
            self.1
        }
    }

    fn squares(workers: usize, count: u64, large: u64, fail_at: Option<u64>) -> Result<Vec<u64>> {
        let mut next = 0;
        let mut seen = Vec::new();
        run(
            workers,
            5,
            |slot: &mut Number| {
                *slot = Number(next, if next % 7 == large { 1 << 30 } else { 8 });
                next += 1;
                Ok(next <= count)
            },
            || Ok(()),
            |(), slot| {
                if Some(slot.0) == fail_at {
                    return Err(Error::malformed("here"));
                }
                slot.0 *= slot.0;
                Ok(())
            },
            |slot| {
                seen.push(slot.0);
                Ok(())
            },
        )?;
        Ok(seen)
    }

    #[test]
    fn everything_comes_out_in_order() {
        for (workers, count) in [0, 3].into_iter().flat_map(|all| [0, 1, 5, 1000].map(|count| (all, count))) {
            for large in [3, 99] {
                let expected: Vec<u64> = (0..count).map(|n| n * n).collect();
                assert_eq!(squares(workers, count, large, None).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_failure_ends_the_run() {
        for (workers, large) in [(0, 3), (0, 99), (3, 3), (3, 99)] {
            assert!(squares(workers, 1000, large, Some(500)).is_err());
        }
    }
}
