//! A log of events as the planner's model wants it.

use std::hash::{DefaultHasher, Hash, Hasher};

use dotctl_engine::event::{Event, EventParser, Item};
use dotctl_engine::plan::TraceEvent;
use dotctl_engine::{Error, Result};

use super::events::each_event;
use crate::replay::LogFile;
use crate::replay::parquet::each_row;

/// What a log had besides events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceSource {
    /// What is no event.
    pub malformed: u64,
    /// Events of other namespaces, and those that concern no entity.
    pub skipped: u64,
}

/// Gives each event in the log that `word` names, as for a replay, if it concerns an entity, of `namespace` if
/// one is given. What is no event is counted.
pub fn trace_log(
    word: &str,
    namespace: Option<&str>,
    visit: &mut dyn FnMut(TraceEvent),
) -> Result<TraceSource> {
    let mut parser = EventParser::default();
    let mut source = TraceSource::default();
    let mut seen = 0_u64;
    let mut see = |text: &[u8]| {
        let mut take = |item: Item<'_>| match item {
            Item::Malformed(_) => source.malformed += 1,
            Item::Event(event) if is_wanted(&event, namespace) => {
                seen += 1;
                visit(write_of(&event));
            }
            Item::Event(_) => source.skipped += 1,
        };
        if parser.parse(text, 0, &mut take).is_err() {
            source.malformed += 1;
        }
        Ok(())
    };
    for file in LogFile::find(word)? {
        match LogFile::is_parquet(&file.head()?) {
            true => each_row(&file, &mut |_, row| see(row).map(|()| true))?,
            false => each_event(file.open()?, &mut see)?,
        }
    }
    if seen == 0 {
        return Err(Error::malformed("there is no event of an entity in it")
            .at(word.to_owned())
            .hint("a log is JSON events, with an entity's id and a time: lines, an array, or Parquet"));
    }
    Ok(source)
}

fn is_wanted(event: &Event<'_>, namespace: Option<&str>) -> bool {
    !event.id.is_empty() && namespace.is_none_or(|namespace| event.namespace == namespace.as_bytes())
}

fn write_of(event: &Event<'_>) -> TraceEvent {
    let mut hasher = DefaultHasher::new();
    (&event.namespace, &event.id).hash(&mut hasher);
    let bytes = event.id.len() + event.payload.len();
    TraceEvent { time_ms: event.time_ms, key: hasher.finish(), bytes: bytes as u64 }
}
