//! How writers and prunes of one bucket, which has no locks, keep out of each other's way.
//!
//! A pack that nobody names is marked first, and removed by a later prune, once its mark is older
//! than the grace. A writer looks at the marks before its first pack.
//!
//! - A pack without a mark: whoever marks it does so after the look, removes it a whole grace later at
//!   the earliest, and lists the manifests just before. So the writer's manifest has to be there
//!   within the grace of its look, and it looks again after a third of the shortest grace there is.
//! - A pack with a mark: the writer removes the mark, then looks whether a sweep is under way. A sweep
//!   says so before it lists the marks. So either the writer sees the sweep, waits until it has ended
//!   and sends the pack again if it is gone; or the sweep begins later and sees no mark.
//!
//! Manifests go while a sweep is under way, too, and tags are listed just before: who gives a tag waits for sweeps
//! that began before it was there, and then looks for the manifest.
//!
//! Only a server's times are compared, of objects that it wrote itself.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use dotctl_engine::format::layout::PRUNE;
use dotctl_engine::id::Hash;
use dotctl_engine::{Error, ErrorKind, Result};

use super::BucketStore;
use super::listing::Listed;
use crate::interrupt;

/// Where marks and sweeps lie below it.
const MARKS: &str = "marks";
const SWEEPS: &str = "sweeps";

/// How long to wait between two looks whether a sweep has ended, at most.
const SWEEP_PAUSE: Duration = Duration::from_secs(2);

/// The name of a pack's mark.
pub fn mark_name(pack: &Hash) -> String {
    format!("{PRUNE}/{MARKS}/{pack}")
}

/// The name of a sweep.
pub fn sweep_name(nonce: &str) -> String {
    format!("{PRUNE}/{SWEEPS}/{nonce}")
}

/// A mark, and when it was put there by the server's clock.
pub struct Mark {
    pub pack: Hash,
    pub modified_ms: Option<i64>,
}

/// A sweep, and when it began by the server's clock.
pub struct Sweep {
    pub nonce: String,
    pub modified_ms: Option<i64>,
}

/// Everything below `prune/`.
#[derive(Default)]
pub struct Marks {
    pub marks: Vec<Mark>,
    pub sweeps: Vec<Sweep>,
}

/// Lists it.
pub fn list(store: &BucketStore) -> Result<Marks> {
    let mut marks = Marks::default();
    for Listed { name, modified_ms, .. } in store.list(PRUNE, "list what is to be removed")? {
        match name.split_once('/') {
            Some((MARKS, pack)) => {
                marks.marks.extend(pack.parse().ok().map(|pack| Mark { pack, modified_ms }))
            }
            Some((SWEEPS, nonce)) => marks.sweeps.push(Sweep { nonce: nonce.to_owned(), modified_ms }),
            _ => {}
        }
    }
    Ok(marks)
}

/// What a writer knows of the marks.
pub struct Look {
    taken: Instant,
    marked: HashSet<Hash>,
}

impl Look {
    /// Looks now.
    pub fn take(store: &BucketStore) -> Result<Self> {
        let taken = Instant::now();
        let marked = list(store)?.marks.into_iter().map(|mark| mark.pack).collect();
        Ok(Look { taken, marked })
    }

    /// How long ago it was taken.
    pub fn age(&self) -> Duration {
        self.taken.elapsed()
    }

    /// Whether the pack was to go.
    pub fn is_marked(&self, pack: &Hash) -> bool {
        self.marked.contains(pack)
    }

    /// Takes the marks from `packs`. What is still there when this returns stays as long as any pack
    /// without a mark does.
    pub fn keep(&mut self, store: &BucketStore, packs: &[Hash]) -> Result<()> {
        for pack in packs {
            let name = store.key(&mark_name(pack));
            store
                .block_on(store.client.delete(&name))
                .map_err(|refusal| store.client.explain(&refusal, "keep a pack that was to be removed"))?;
            self.marked.remove(pack);
        }
        wait_for_sweeps(store)
    }
}

/// Waits until the sweeps that are under way have ended, or must have been killed.
pub fn wait_for_sweeps(store: &BucketStore) -> Result<()> {
    let patience = store.client.patience;
    let begun = Instant::now();
    let mut seen: Option<HashSet<String>> = None;
    loop {
        let now: HashSet<String> = list(store)?.sweeps.into_iter().map(|sweep| sweep.nonce).collect();
        // One that begins later has seen that the marks are gone.
        let left = match seen.take() {
            None => now,
            Some(before) => before.intersection(&now).cloned().collect(),
        };
        if left.is_empty() || begun.elapsed() > patience.sweep_max {
            return Ok(());
        }
        seen = Some(left);
        interrupt::check()?;
        // A timer can only be made where the runtime is.
        store.block_on(async { sleep(SWEEP_PAUSE.min(patience.sweep_max / 8)).await });
    }
}

/// A sweep of ours, until it is dropped.
pub struct Sweeping<'a> {
    store: &'a BucketStore,
    name: String,
    begun: Instant,
    /// The server's time when it began.
    pub now_ms: i64,
    /// What was there then.
    pub marks: Vec<Mark>,
}

impl<'a> Sweeping<'a> {
    /// Says that a sweep is under way, then lists the marks.
    ///
    /// # Errors
    /// Busy, while another one is.
    pub fn begin(store: &'a BucketStore) -> Result<Self> {
        let nonce = format!("{:016x}{:016x}", super::client::random(), super::client::random());
        let name = sweep_name(&nonce);
        let begun = Instant::now();
        put_empty(store, &name)?;
        let mut sweeping = Sweeping { store, name, begun, now_ms: 0, marks: Vec::new() };
        let Marks { marks, sweeps } = list(store)?;
        let ours = sweeps.iter().find(|sweep| sweep.nonce == nonce);
        sweeping.now_ms = ours.and_then(|ours| ours.modified_ms).ok_or_else(|| {
            Error::unsupported("the server does not say when an object was written")
                .at(store.client.place.clone())
                .hint("nothing can be removed there safely: a writer could not tell a sweep that was killed")
        })?;
        sweeping.marks = marks;
        let sweep_max_ms = i64::try_from(store.client.patience.sweep_max.as_millis()).unwrap_or(i64::MAX);
        for other in sweeps.iter().filter(|sweep| sweep.nonce != nonce) {
            let age_ms =
                other.modified_ms.map_or(0, |modified_ms| sweeping.now_ms.saturating_sub(modified_ms));
            if age_ms <= sweep_max_ms {
                return Err(Error::new(ErrorKind::Busy, "another prune is removing packs here")
                    .at(store.client.place.clone())
                    .hint(
                        "run the command again when it has ended; one that was killed counts for 10 minutes",
                    ));
            }
            delete(store, &sweep_name(&other.nonce))?;
        }
        Ok(sweeping)
    }

    /// How much time is left for removing packs: requests on their way must have ended when others
    /// take the sweep for dead.
    pub fn left(&self) -> Duration {
        (self.store.client.patience.sweep_max / 2).saturating_sub(self.begun.elapsed())
    }
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        // One that stays counts for as long as one may take.
        let _ = delete(self.store, &self.name);
    }
}

/// Writes an object without content.
pub fn put_empty(store: &BucketStore, name: &str) -> Result<()> {
    let key = store.key(name);
    let put = store.client.put(&key, bytes::Bytes::new(), Hash::of(b""));
    store.block_on(put).map_err(|refusal| store.client.explain(&refusal, "write"))
}

/// Removes an object.
pub fn delete(store: &BucketStore, name: &str) -> Result<()> {
    let deleted = store.block_on(store.client.delete(&store.key(name)));
    deleted.map_err(|refusal| store.client.explain(&refusal, "remove"))
}
