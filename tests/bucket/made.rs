//! State to make checkpoints of.

use dotctl_engine::Result;
use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::checkpoint::{CheckpointFacts, StateForm};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::{Codec, CodecSetting};
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::id::{Namespace, Time};
use dotctl_stores::drive::{EntrySource, NoProgress, RestoreForm, SnapshotSetting, restore, snapshot_lines};
use dotctl_stores::store::{Committed, Session, Store};

use crate::support::Random;

/// Entries in key order.
pub struct Entries {
    entries: Vec<(String, String)>,
    next: usize,
}

impl Entries {
    /// `count` entries of about `value_bytes` each, which do not compress to nothing.
    pub fn new(seed: u64, count: usize, value_bytes: usize) -> Self {
        let mut random = Random(seed);
        let entries = (0..count)
            .map(|number| {
                let key = format!("entry:{number:06}");
                let value: String =
                    (0..value_bytes).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
                let text = format!("[\"{key}\",{{\"value\":\"{value}\"}}]");
                (key, text)
            })
            .collect();
        Entries { entries, next: 0 }
    }

    /// The state as restoring gives it.
    pub fn array(&self) -> Vec<u8> {
        let texts: Vec<&str> = self.entries.iter().map(|(_, text)| text.as_str()).collect();
        format!("[{}]", texts.join(",")).into_bytes()
    }

    /// The text of entry `number`.
    pub fn text(&self, number: usize) -> &str {
        &self.entries[number].1
    }
}

impl EntrySource for Entries {
    fn advance(&mut self) -> Result<bool> {
        self.next += 1;
        Ok(self.next <= self.entries.len())
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        let (key, text) = &self.entries[self.next - 1];
        (key.as_bytes(), text.as_bytes())
    }
}

fn codec(codec: Codec) -> CodecSetting {
    codec_setting(CheckpointKind::State, codec, None).expect("a setting")
}

/// Settings of a checkpoint of `namespace`, made `second` seconds after a moment.
pub fn setting(namespace: &str, second: i64) -> SnapshotSetting {
    SnapshotSetting {
        namespace: Namespace::new(namespace).expect("a name"),
        created_at: Time::from_unix_ms(1_790_000_000_000 + second * 1000).expect("a time"),
        codec: codec(Codec::None),
        chunk_size: ChunkSize::new(64 << 10).expect("a size"),
        chain: dotctl_engine::checkpoint::ChainPolicy::DEFAULT,
    }
}

/// Packs in `session`, not committed yet.
pub fn send(
    session: &mut dyn Session,
    setting: &SnapshotSetting,
    entries: &mut Entries,
) -> Result<CheckpointFacts> {
    entries.next = 0;
    snapshot_lines(CheckpointKind::State, entries, setting, None, session, &NoProgress)
}

/// A checkpoint of `entries`.
pub fn snapshot(store: &dyn Store, setting: &SnapshotSetting, entries: &mut Entries) -> Result<Committed> {
    let mut session = store.begin()?;
    let facts = send(session.as_mut(), setting, entries)?;
    session.commit(facts, &setting.namespace, setting.created_at)
}

/// What restoring `manifest` writes.
pub fn restored(store: &dyn Store, manifest: &Manifest) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let form = RestoreForm::State(StateForm::Array);
    let mut keep = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    restore(store, manifest, form, None, &mut keep, None, &NoProgress)?;
    Ok(bytes)
}
