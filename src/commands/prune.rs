//! `dotctl prune`: removing the checkpoints that a policy does not keep.

use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use dotctl_engine::id::{CheckpointId, Namespace, Time};
use dotctl_engine::retention::{Reason, RetentionPolicy};
use dotctl_engine::tag::Tag;
use dotctl_engine::{Error, Result};
use dotctl_stores::drive::{Judged, PruneOutcome, PruneSetting, prune};

use super::list::show_moment;
use super::requests::{tell, with_requests};
use super::{elapsed_ms, short_id};
use crate::cli::PruneArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render::{Align, Bar, shorten, table};
use crate::size::{show_count, show_size};

#[derive(Debug, Serialize)]
struct JudgedDocument<'a> {
    id: CheckpointId,
    namespace: &'a Namespace,
    sequence: u64,
    created_at: Time,
    tags: &'a [Tag],
    stored_bytes: u64,
    /// Only of those that stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<&'static str>,
}

impl<'a> JudgedDocument<'a> {
    fn new(judged: &'a Judged) -> Self {
        JudgedDocument {
            id: judged.key.id,
            namespace: &judged.key.namespace,
            sequence: judged.key.sequence,
            created_at: judged.created_at,
            tags: &judged.tags,
            stored_bytes: judged.stored_bytes,
            reasons: judged.reasons.iter().map(|reason| reason.name()).collect(),
        }
    }
}

pub fn run(args: &PruneArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let within_ms = args.keep_within.map(|within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
    let setting = PruneSetting {
        policy: RetentionPolicy {
            last: args.keep_last,
            hourly: args.keep_hourly,
            daily: args.keep_daily,
            weekly: args.keep_weekly,
            monthly: args.keep_monthly,
            within_ms,
            tags: args.keep_tag.clone(),
        },
        namespace: args.namespace.clone(),
        grace: args.grace,
        now: open::now()?,
        dry_run: args.dry_run,
    };
    open::refuse_read_only(&args.store)?;
    let store = open::stores(&args.store)?.native.ok_or_else(|| {
        Error::unsupported("checkpoints that TypeScript wrote are not pruned")
            .at(args.store.store.clone())
            .hint("`dotctl copy` brings them into a store of ours")
    })?;
    let outcome = prune(store.as_ref(), &setting, &Bar::new(output.progress))?;
    if outcome.judged.iter().any(|one| one.reasons == [Reason::Placed]) {
        output
            .warn("some checkpoints lie in two stores and are kept; name both, with --store and --overflow");
    }
    tell(store.as_ref(), output);
    let (removed, kept): (Vec<_>, Vec<_>) =
        outcome.judged.iter().partition(|judged| judged.reasons.is_empty());
    let documents =
        |all: &[&Judged]| json!(all.iter().map(|one| JudgedDocument::new(one)).collect::<Vec<_>>());
    let pruned = &outcome.pruned;
    let document = json!({
        "dry_run": args.dry_run,
        "removed": documents(&removed),
        "kept": documents(&kept),
        "removed_pack_count": pruned.removed_pack_count,
        "removed_bytes": pruned.removed_bytes,
        "waiting_pack_count": pruned.waiting_pack_count,
        "waiting_bytes": pruned.waiting_bytes,
        "duration_ms": elapsed_ms(begun),
    });
    let document = with_requests(document, store.as_ref());
    output.result(&document, || human(&outcome, &removed, kept.len(), args.dry_run))?;
    Ok(Exit::Done)
}

fn human(outcome: &PruneOutcome, removed: &[&Judged], kept: usize, dry_run: bool) -> String {
    let columns = [
        ("ID", Align::Left),
        ("CREATED", Align::Left),
        ("STORED", Align::Right),
        ("KEPT AS", Align::Left),
        ("NAMESPACE", Align::Left),
    ];
    let rows = outcome.judged.iter().map(|judged| {
        let reasons: Vec<_> = judged.reasons.iter().map(|reason| reason.name()).collect();
        let removed = if dry_run { "would go" } else { "removed" };
        vec![
            short_id(judged.key.id),
            show_moment(&judged.created_at.to_string()),
            show_size(judged.stored_bytes),
            if reasons.is_empty() { removed.to_owned() } else { reasons.join(" ") },
            shorten(judged.key.namespace.as_str(), 14),
        ]
    });
    let pruned = &outcome.pruned;
    let would = if dry_run { "would be " } else { "" };
    let mut text = if outcome.judged.is_empty() { String::new() } else { table(&columns, rows) + "\n" };
    text += &format!(
        "{} checkpoints {would}removed, {} kept; {} packs {would}removed, {} freed\n",
        show_count(removed.len() as u64),
        show_count(kept as u64),
        show_count(pruned.removed_pack_count),
        show_size(pruned.removed_bytes),
    );
    if pruned.waiting_pack_count > 0 {
        text += &format!(
            "{} packs ({}) that no checkpoint names wait for a prune after the grace\n",
            show_count(pruned.waiting_pack_count),
            show_size(pruned.waiting_bytes),
        );
    }
    text
}
