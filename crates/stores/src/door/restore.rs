//! A checkpoint of rows into a live object: sent part by part, and put in once all of it is there.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::task::JoinHandle;

use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::chunk::{ChunkWriter, StoredChunk};
use dotctl_engine::codec::Codec;
use dotctl_engine::format::{CheckpointKind, Manifest};
use dotctl_engine::id::Hash;
use dotctl_engine::{Damage, Error, ErrorKind, Result};

use super::client::{Client, Request};
use super::{LiveObject, nonce};
use crate::drive::{Progress, read_rows};
use crate::store::Store;

/// Raw bytes that a part aims at.
const PART_BYTES: usize = 1 << 20;

/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 4;

/// What was put into an object.
#[derive(Debug, Clone, Copy)]
pub struct Uploaded {
    /// Lines.
    pub record_count: u64,
    /// Bytes of them.
    pub raw_bytes: u64,
    /// What they come to, by what the object read.
    pub content_sha256: Hash,
}

impl LiveObject {
    /// Puts `manifest`, a checkpoint of rows in `store`, in the place of the object's state: all at once, once all of it
    /// is there. What the object holds is replaced only by `force`.
    ///
    /// # Errors
    /// Unsupported where it is none of rows; exists where the object holds rows or entries; those of the store, of
    /// the object and of the network. Then the object's state is as it was, unless the answer alone was lost.
    pub fn restore(
        &self,
        store: &dyn Store,
        manifest: &Manifest,
        force: bool,
        progress: &dyn Progress,
    ) -> Result<Uploaded> {
        if manifest.kind != CheckpointKind::Rows {
            return Err(Error::unsupported(format!(
                "a checkpoint of the kind {} cannot be put into a live object",
                manifest.kind.name()
            ))
            .hint("one of rows can: `dotctl snapshot --kind rows` makes it of any database"));
        }
        let path = format!("restores/{}", nonce());
        let begin = Request { method: "POST", path: &path, headers: &[], body: Bytes::new() };
        let (_, begun) = self.handle.block_on(self.client.ask(&begin))?;
        if self.has_rows(&begun)? && !force {
            self.forget(&path);
            return Err(Error::new(ErrorKind::Exists, "the object holds rows or entries already")
                .at(self.location())
                .hint("--force puts the checkpoint in their place"));
        }
        let restored = self.send_and_apply(&path, store, manifest, force, progress);
        if restored.is_err() {
            self.forget(&path);
        }
        restored
    }

    /// What was sent is of no use any more; the object forgets it by itself in a day.
    fn forget(&self, path: &str) {
        let request = Request { method: "DELETE", path, headers: &[], body: Bytes::new() };
        self.handle.block_on(self.client.ask_once(&request));
    }

    fn send_and_apply(
        &self,
        path: &str,
        store: &dyn Store,
        manifest: &Manifest,
        force: bool,
        progress: &dyn Progress,
    ) -> Result<Uploaded> {
        let mut parts = Parts {
            object: self,
            path,
            writer: ChunkWriter::new(codec_setting(CheckpointKind::Rows, Codec::Zstd, None)?)?,
            lines: Vec::new(),
            count: 0,
            going: VecDeque::new(),
        };
        read_rows(store, manifest, &mut |line| parts.line(line), progress)?;
        let part_count = parts.finish()?;
        let asked = json!({ "parts": part_count, "content_sha256": manifest.content_sha256, "force": force });
        let request = Request { method: "PUT", path, headers: &[], body: Bytes::from(asked.to_string()) };
        let answer = self.handle.block_on(self.client.ask_until_done(&request)).map_err(|error| {
            match error.kind() {
                // Whoever is refused is told so.
                ErrorKind::Io => error.hint(
                    "whether the checkpoint was put in is not known; the object's state is the old one or the new one",
                ),
                _ => error,
            }
        })?;
        let restored = answer.get("restored");
        let read = || {
            Some(Uploaded {
                record_count: restored?.get("record_count")?.as_u64()?,
                raw_bytes: restored?.get("raw_bytes")?.as_u64()?,
                content_sha256: restored?.get("content_sha256")?.as_str()?.parse().ok()?,
            })
        };
        let uploaded = read().ok_or_else(|| self.strange("the object does not say what it has restored"))?;
        match uploaded.content_sha256 == manifest.content_sha256 {
            true => Ok(uploaded),
            false => Err(Error::damaged(
                Damage::Checksum,
                "what the object has restored",
                manifest.content_sha256,
                uploaded.content_sha256,
            )
            .at(self.location())),
        }
    }
}

/// Lines on their way to the object.
struct Parts<'a> {
    object: &'a LiveObject,
    path: &'a str,
    writer: ChunkWriter,
    lines: Vec<u8>,
    count: u32,
    going: VecDeque<JoinHandle<Result<()>>>,
}

impl Parts<'_> {
    fn line(&mut self, line: &[u8]) -> Result<()> {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        match self.lines.len() >= PART_BYTES {
            true => self.send(),
            false => Ok(()),
        }
    }

    fn send(&mut self) -> Result<()> {
        let mut stored = StoredChunk::default();
        self.writer.write(&self.lines, &mut stored)?;
        let path = format!("{}/parts/{}", self.path, self.count);
        let headers = [
            ("dotctl-raw-bytes", self.lines.len().to_string()),
            ("dotctl-sha256", stored.sha256.to_string()),
        ];
        self.lines.clear();
        self.count += 1;
        if self.going.len() >= PARTS_AT_ONCE {
            self.wait()?;
        }
        let client = self.object.client.clone();
        self.going.push_back(self.object.handle.spawn(send_part(
            client,
            path,
            headers,
            Bytes::from(stored.bytes),
        )));
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let Some(first) = self.going.pop_front() else {
            return Ok(());
        };
        let died = |_| Error::new(ErrorKind::Io, "an upload died").at(self.object.location());
        self.object.handle.block_on(first).map_err(died)?
    }

    /// Waits until all are there; says how many they are.
    fn finish(&mut self) -> Result<u32> {
        if !self.lines.is_empty() {
            self.send()?;
        }
        while !self.going.is_empty() {
            self.wait()?;
        }
        Ok(self.count)
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        self.going.iter().for_each(JoinHandle::abort);
    }
}

async fn send_part(
    client: Arc<Client>,
    path: String,
    headers: [(&'static str, String); 2],
    body: Bytes,
) -> Result<()> {
    client.ask(&Request { method: "PUT", path: &path, headers: &headers, body }).await.map(drop)
}
