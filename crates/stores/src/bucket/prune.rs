//! Removing checkpoints from a bucket. See `marks` for why no writer loses anything.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;

use dotctl_engine::format::layout::pack_key;
use dotctl_engine::id::Hash;
use dotctl_engine::{Error, ErrorKind, Result};

use super::BucketStore;
use super::client::Client;
use super::marks::{self, Mark, Sweeping, mark_name};
use super::refusal::Refusal;
use crate::interrupt;
use crate::prune::{PruneRequest, Pruned};
use crate::store::Store;

/// Requests on their way at once.
const AT_ONCE: usize = 16;

/// What becomes of packs and marks.
#[derive(Default)]
struct Plan {
    /// Packs that go, then their marks.
    packs: Vec<Hash>,
    /// Packs that get a mark.
    marked: Vec<Hash>,
    /// Marks that mean nothing any more.
    unmarked: Vec<Hash>,
    pruned: Pruned,
}

/// Does what `request` asks: manifests go at once; packs that nobody names any more are marked, and
/// go by a prune that comes when the mark is older than the grace.
pub fn prune(store: &BucketStore, mut request: PruneRequest) -> Result<Pruned> {
    let grace_min = store.client.patience.grace_min;
    if request.grace < grace_min {
        let seconds = grace_min.as_secs();
        return Err(Error::malformed(format!("the grace is below {seconds} s, the least for a bucket"))
            .hint("a bucket has no locks: a snapshot that runs beside the prune needs that time"));
    }
    if request.dry_run {
        let marks = marks::list(store)?.marks;
        return Ok(plan(store, &mut request, &marks, None)?.pruned);
    }
    let sweeping = Sweeping::begin(store)?;
    // Who gives a tag from now on sees the sweep, and waits.
    request.spare(|| store.tags())?;
    let doomed = request.doomed.iter().map(ToString::to_string).collect();
    delete_all(store, doomed, Some(&sweeping))?;
    let plan = plan(store, &mut request, &sweeping.marks, Some(sweeping.now_ms))?;
    let names = |packs: &[Hash], name: fn(&Hash) -> String| packs.iter().map(name).collect::<Vec<_>>();
    delete_all(store, names(&plan.packs, pack_key), Some(&sweeping))?;
    delete_all(store, names(&plan.packs, mark_name), Some(&sweeping))?;
    delete_all(store, names(&plan.unmarked, mark_name), Some(&sweeping))?;
    // A new mark removes nothing yet, so nobody has to wait.
    drop(sweeping);
    all_at_once(store, names(&plan.marked, mark_name), None, "write a mark", |client, key| async move {
        client.put(&key, Bytes::new(), Hash::of(b"")).await
    })?;
    Ok(plan.pruned)
}

/// Looks at all packs. The marks have been listed before, so that a writer's manifest is seen here
/// if its packs had an old mark when it looked.
fn plan(
    store: &BucketStore,
    request: &mut PruneRequest,
    marks: &[Mark],
    now_ms: Option<i64>,
) -> Result<Plan> {
    let packs = store.list_packs()?;
    let listing = store.manifests()?;
    request.needed.complete(store, &listing, &request.doomed)?;
    let grace_ms = i64::try_from(request.grace.as_millis()).unwrap_or(i64::MAX);
    // Without a sweep, which the server dates, our own clock has to do.
    let now_ms = now_ms.unwrap_or(request.now.unix_ms());
    let is_old = |modified_ms: Option<i64>| {
        modified_ms.is_some_and(|modified_ms| now_ms.saturating_sub(modified_ms) >= grace_ms)
    };
    let mut marks: HashMap<Hash, Option<i64>> =
        marks.iter().map(|mark| (mark.pack, mark.modified_ms)).collect();
    let mut plan = Plan::default();
    for (pack, stored_bytes, modified_ms) in packs {
        if request.needed.has(&pack) {
            continue;
        }
        match marks.remove(&pack) {
            Some(marked_ms) if is_old(marked_ms) && modified_ms <= marked_ms => {
                plan.pruned.remove(stored_bytes);
                plan.packs.push(pack);
                continue;
            }
            // It was sent again since.
            Some(marked_ms) if modified_ms > marked_ms => plan.marked.push(pack),
            Some(_) => {}
            None if is_old(modified_ms) => plan.marked.push(pack),
            None => {}
        }
        plan.pruned.wait(stored_bytes);
    }
    // Of packs that are needed, or gone.
    plan.unmarked.extend(marks.into_keys());
    Ok(plan)
}

/// Removes objects, those that somebody may wait for only as long as the sweep may last.
fn delete_all(store: &BucketStore, names: Vec<String>, sweeping: Option<&Sweeping<'_>>) -> Result<()> {
    let delete = |client: Arc<Client>, key: String| async move { client.delete(&key).await };
    all_at_once(store, names, sweeping, "remove", delete)
}

/// Sends a request for each of `names`, several at once.
fn all_at_once<F>(
    store: &BucketStore,
    names: Vec<String>,
    sweeping: Option<&Sweeping<'_>>,
    doing: &str,
    request: impl Fn(Arc<Client>, String) -> F,
) -> Result<()>
where
    F: Future<Output = std::result::Result<(), Refusal>> + Send + 'static,
{
    for some in names.chunks(AT_ONCE) {
        interrupt::check()?;
        let mut requests = JoinSet::new();
        for name in some {
            requests.spawn_on(request(store.client.clone(), store.key(name)), store.handle());
        }
        let all = async {
            while let Some(joined) = requests.join_next().await {
                let died = |_| Error::new(ErrorKind::Io, "a request died").at(store.client.place.clone());
                joined.map_err(died)?.map_err(|refusal| store.client.explain(&refusal, doing))?;
            }
            Ok(())
        };
        let too_long = |_| {
            Error::new(ErrorKind::Busy, "removing packs takes longer than writers wait for it")
                .at(store.client.place.clone())
                .hint("run the command again; it goes on where it stopped")
        };
        match sweeping {
            None => store.block_on(all)?,
            Some(sweeping) => {
                store.block_on(async { timeout(sweeping.left(), all).await }).map_err(too_long)??;
            }
        }
    }
    Ok(())
}
