//! A log of events as the planner's model wants it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use dotctl_engine::event::{Event, EventParser, Item};
use dotctl_engine::plan::TraceEvent;
use dotctl_engine::{Error, Result};

use super::lines::each_line;
use crate::input::Input;

/// What a log had besides events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceSource {
    /// Lines that are no events.
    pub malformed: u64,
    /// Events of other namespaces, and those that concern no entity.
    pub skipped: u64,
}

/// Gives each event in the log at `path` (`-` is stdin) that concerns an entity, of `namespace` if one is
/// given. Lines that are none are counted.
pub fn trace_log(
    path: &Path,
    namespace: Option<&str>,
    visit: &mut dyn FnMut(TraceEvent),
) -> Result<TraceSource> {
    let mut parser = EventParser::default();
    let mut source = TraceSource::default();
    let mut seen = 0_u64;
    each_line(Input::open(path)?, &mut |line| {
        let mut take = |item: Item<'_>| match item {
            Item::Malformed(_) => source.malformed += 1,
            Item::Event(event) if is_wanted(&event, namespace) => {
                seen += 1;
                visit(write_of(&event));
            }
            Item::Event(_) => source.skipped += 1,
        };
        if parser.parse(line, 0, &mut take).is_err() {
            source.malformed += 1;
        }
        Ok(())
    })?;
    if seen == 0 {
        return Err(Error::malformed("there is no event of an entity in it")
            .at(path.display().to_string())
            .hint("a log has an event on each line, with an entity's id and a time"));
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
