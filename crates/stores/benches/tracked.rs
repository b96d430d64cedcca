//! One changed row of a large database: a checkpoint by way of a change tracker.
//!
//! `cargo bench -p dotctl-stores --bench tracked -- DATABASE` captures the rows of a database into a store in a
//! temporary folder beside it, then makes twenty checkpoints, each of one changed row, and tells what they took.

use std::path::PathBuf;
use std::time::Instant;

use dotctl_engine::checkpoint::{ChangeTracker, codec_setting};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::Codec;
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::id::{Namespace, Time};
use dotctl_engine::{Error, Result};
use dotctl_stores::base::Base;
use dotctl_stores::drive::{LineLookup, NoProgress, SnapshotSetting};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::reference::resolve;
use dotctl_stores::source::{capture_rows, capture_tracked};

fn main() -> Result<()> {
    let path: PathBuf = std::env::args_os()
        .skip(1)
        .find(|word| !word.to_string_lossy().starts_with("--"))
        .ok_or_else(|| Error::malformed("name a database behind `--`"))?
        .into();
    let folder = path.with_extension("tracked-store");
    let setting = SnapshotSetting {
        namespace: Namespace::new("tracked")?,
        created_at: Time::from_unix_ms(0)?,
        codec: codec_setting(CheckpointKind::Rows, Codec::Zstd, None)?,
        chunk_size: ChunkSize::DEFAULT,
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    };
    let store = FolderStore::open_or_create(&folder)?;
    let begun = Instant::now();
    let full = capture_rows(&store, &path, &setting, &Base::None, &NoProgress)?.committed;
    println!(
        "{} rows, {} bytes, in {:.2?}",
        full.manifest.record_count,
        full.manifest.raw_bytes,
        begun.elapsed()
    );
    let packs: Vec<_> = full.manifest.content_packs().collect();
    let mut took = Vec::new();
    for turn in 0..20 {
        let base = resolve(&store, "latest")?;
        // The first row of some pack: one that is surely there.
        let pack = packs.get(turn * 7 % packs.len().max(1)).ok_or_else(|| Error::malformed("no rows"))?;
        let key = pack.first_key.as_bytes().to_vec();
        let line = LineLookup::new(&store, &base.manifest.runs)?.find(&key)?;
        let mut line = line.ok_or_else(|| Error::malformed("a row is missing"))?;
        // Another first character of its last value.
        line.truncate(line.len().saturating_sub(2));
        line.extend_from_slice(format!(",{turn}]]").as_bytes());
        let mut tracker = ChangeTracker::new(base.manifest.sequence);
        tracker.touch(&key);
        let begun = Instant::now();
        let made = capture_tracked(&store, &base, &tracker, &mut |_| Ok(Some(line.clone())), &setting)?;
        let made = made.ok_or_else(|| Error::malformed("everything would be compared"))?.committed;
        took.push((begun.elapsed(), made.new_bytes));
    }
    took.sort();
    for (name, place) in [("least", 0), ("median", took.len() / 2), ("most", took.len() - 1)] {
        if let Some((time, new_bytes)) = took.get(place) {
            println!("{name}: {time:.2?}, {new_bytes} bytes of packs");
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}
