//! Long work in slices: others have their turns, and no event exceeds its processor time.

use dotctl_engine::Result;

use crate::storage::{Alarms, next_turn};

/// Raw bytes after which other events get their turn: about a tenth of a second of work.
const TURN_BYTES: usize = 1 << 20;

/// Raw bytes after which the work goes on in a new event: some 10 of the 30 seconds of processor time that
/// each has (`docs/BENCHMARKS.md` has the rates).
const EVENT_BYTES: usize = 64 << 20;

/// When an object is woken that was restarted while a checkpoint was made, in milliseconds after that
/// has last shown a sign of life.
pub const WAKE_MS: f64 = 30_000.0;

/// How far the work of the current turn and event has come.
pub struct Pace<'a> {
    alarms: Option<&'a Alarms>,
    turn_bytes: usize,
    event_bytes: usize,
    has_turned: bool,
}

impl<'a> Pace<'a> {
    /// Work that begins now.
    pub fn new(alarms: Option<&'a Alarms>) -> Self {
        Pace { alarms, turn_bytes: 0, event_bytes: 0, has_turned: false }
    }

    /// So many bytes were dealt with. Says whether others had their turn.
    pub async fn worked(&mut self, bytes: usize) -> Result<bool> {
        self.turn_bytes += bytes;
        if self.turn_bytes < TURN_BYTES {
            return Ok(false);
        }
        self.event_bytes += std::mem::take(&mut self.turn_bytes);
        match self.alarms {
            // What is done within one turn needs nobody to wake the object for it.
            Some(alarms) if !self.has_turned && !alarms.wanted() => alarms.begin(WAKE_MS).await?,
            Some(alarms) if self.event_bytes >= EVENT_BYTES => {
                self.event_bytes = 0;
                alarms.turn().await?;
            }
            _ => {}
        }
        self.has_turned = true;
        next_turn().await?;
        Ok(true)
    }
}
