//! How much there is in a live object, without its rows.

use bytes::Bytes;
use serde_json::Value;

use dotctl_engine::Result;

use super::LiveObject;
use super::client::Request;

/// How much there is in an object at this moment.
#[derive(Debug, Clone, Copy)]
pub struct ObjectState {
    /// Whether there are rows or entries, which a restore would replace.
    pub has_rows: bool,
    /// Bytes that its database takes, checkpoints inside included.
    pub database_bytes: u64,
}

impl LiveObject {
    /// How much there is in the object. Changes nothing.
    ///
    /// # Errors
    /// Those of the object and of the network.
    pub fn state(&self) -> Result<ObjectState> {
        let request = Request { method: "GET", path: "state", headers: &[], body: Bytes::new() };
        let (_, answer) = self.handle.block_on(self.client.ask(&request))?;
        let database_bytes = answer.get("database_bytes").and_then(Value::as_u64);
        Ok(ObjectState {
            has_rows: self.has_rows(&answer)?,
            database_bytes: database_bytes
                .ok_or_else(|| self.strange("the object does not say how large it is"))?,
        })
    }

    /// What an answer says of rows and entries.
    pub(super) fn has_rows(&self, answer: &Value) -> Result<bool> {
        match answer.get("held").and_then(Value::as_str) {
            Some("rows") => Ok(true),
            Some("tables" | "nothing") => Ok(false),
            _ => Err(self.strange("the object does not say what it holds")),
        }
    }
}
