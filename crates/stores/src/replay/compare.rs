//! An image beside what the log says it should be.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use serde_json::value::RawValue;

use dotctl_engine::event::{collection_entities, validate_entity};
use dotctl_engine::image::PageReader;
use dotctl_engine::{Error, Result};

use super::{LogFile, Report, Request, Rules, fresh, read, refusal};
use crate::alone::{failure, open_guarded};
use crate::database::{is_database, read_still};
use crate::drive::Progress;
use crate::{interrupt, io_error};

/// How an entity of an image differs from the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The log has it, the image not.
    Missing,
    /// The image has it, the log not.
    Unexpected,
    /// Both have it, and it is not the same.
    Different,
    /// It is in the image twice.
    Repeated,
    /// It is not what every entity must be.
    Invalid,
}

impl DifferenceKind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Unexpected => "unexpected",
            DifferenceKind::Different => "different",
            DifferenceKind::Repeated => "repeated",
            DifferenceKind::Invalid => "invalid",
        }
    }
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The entity.
    pub id: String,
    /// What it is.
    pub kind: DifferenceKind,
    /// Members that differ, or what is wrong.
    pub detail: String,
}

/// What a comparison came to.
#[derive(Debug)]
pub struct Comparison {
    /// Of replaying the log.
    pub report: Report,
    /// Entities of the image.
    pub entities: u64,
    /// Every difference, by entity.
    pub differences: Vec<Difference>,
}

/// Compares the image at `image`, which may be in use, with what `files` say; nothing is changed.
/// Temporary data lies in `scratch`.
///
/// # Errors
/// Those of reading the log and the image; Malformed for an image that is no database.
pub fn compare(
    files: &[LogFile],
    rules: Rules,
    image: &Path,
    strict: bool,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Comparison> {
    if !is_database(image)? {
        return Err(Error::malformed("this file is no database").at(image.display().to_string()));
    }
    let folder =
        tempfile::tempdir_in(scratch).map_err(|error| io_error("create a folder in", scratch, &error))?;
    let copy = copied(image, folder.path())?;
    let expected = folder.path().join("expected.sqlite");
    let request = Request {
        files,
        rules,
        into: &expected,
        columnar_threshold: Some(0),
        strict,
        dry_run: false,
        from: None,
    };
    let read = read(&request, folder.path(), progress)?;
    if strict && read.ingested.malformed > 0 {
        return Err(refusal(&read.ingested));
    }
    let report = fresh::make(&request, folder.path(), read, progress)?;
    let (left, right) = (Side::open(&expected)?, Side::open(&copy)?);
    let mut differences = Vec::new();
    let entities = walk(&left, &right, image, &mut differences)?;
    Ok(Comparison { report, entities, differences })
}

/// A copy of one state of the database, which may then be opened.
fn copied(image: &Path, folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("image.sqlite");
    read_still(image, |database| {
        let file = File::create(&copy).map_err(|error| io_error("create", &copy, &error))?;
        let page_bytes = u64::from(database.page_bytes());
        let mut page = vec![0; usize::try_from(page_bytes).unwrap_or(0)];
        for number in 1..=database.page_count() {
            if number % 4096 == 0 {
                interrupt::check()?;
            }
            database.read_pages(number, &mut page)?;
            file.write_all_at(&page, u64::from(number - 1) * page_bytes)
                .map_err(|error| io_error("write", &copy, &error))?;
        }
        Ok(())
    })?;
    Ok(copy)
}

/// An image's entities.
struct Side {
    connection: Connection,
    place: String,
    /// Those of collections.
    collected: BTreeMap<Vec<u8>, Vec<u8>>,
    repeated: Vec<Vec<u8>>,
}

impl Side {
    fn open(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        let failed = |error: rusqlite::Error| failure(&place, "read", &error);
        let connection = open_guarded(path, OpenFlags::empty()).map_err(failed)?;
        let rows: Vec<String> = connection
            .prepare("SELECT data FROM collections")
            .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
            .map_err(failed)?;
        let mut collected = BTreeMap::new();
        let mut repeated = Vec::new();
        for row in rows {
            let entities = collection_entities(row.as_bytes())
                .ok_or_else(|| Error::corrupt("a collection is no JSON of entities").at(&*place))?;
            for (id, data) in entities {
                if collected.insert(id.clone(), data).is_some() {
                    repeated.push(id);
                }
            }
        }
        Ok(Side { connection, place, collected, repeated })
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failure(&self.place, "read", error)
    }
}

type Entity = (Vec<u8>, Vec<u8>);

/// Things and collections of a side in the order of ids.
struct Walk<'a> {
    side: &'a Side,
    rows: rusqlite::Rows<'a>,
    thing: Option<Entity>,
    collected: std::iter::Peekable<std::collections::btree_map::Iter<'a, Vec<u8>, Vec<u8>>>,
}

impl Walk<'_> {
    fn step(&mut self) -> Result<()> {
        let failed = |error: rusqlite::Error| self.side.failed(&error);
        self.thing = match self.rows.next().map_err(failed)? {
            None => None,
            Some(row) => {
                let bytes = |place: usize| -> Result<Vec<u8>> {
                    let value = row.get_ref(place).map_err(failed)?;
                    value.as_bytes().map(<[u8]>::to_vec).map_err(|_| {
                        Error::corrupt("a row of `things` has an id or data that is no text")
                            .at(&*self.side.place)
                    })
                };
                Some((bytes(0)?, bytes(1)?))
            }
        };
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entity>> {
        let collected = self.collected.peek().map(|(id, _)| *id);
        let thing_first = match (&self.thing, collected) {
            (None, None) => return Ok(None),
            (Some((thing, _)), Some(collected)) => thing <= collected,
            (thing, _) => thing.is_some(),
        };
        if !thing_first {
            return Ok(self.collected.next().map(|(id, data)| (id.clone(), data.clone())));
        }
        let found = self.thing.take();
        self.step()?;
        Ok(found)
    }
}

/// Notes every difference and says how many entities the right side has.
fn walk(expected: &Side, actual: &Side, image: &Path, differences: &mut Vec<Difference>) -> Result<u64> {
    let sql = "SELECT id, data FROM things ORDER BY CAST(id AS BLOB)";
    let sorted = "SELECT id, data FROM things ORDER BY id";
    let is_binary = |side: &Side| -> Result<bool> {
        // A primary key of text sorts by its bytes, unless somebody chose another collation.
        side.connection
            .query_row(
                "SELECT count(*) = 0 FROM sqlite_schema WHERE name = 'things' AND sql LIKE '%COLLATE%'",
                [],
                |row| row.get(0),
            )
            .map_err(|error| side.failed(&error))
    };
    let failed = |error: rusqlite::Error| {
        failure(&image.display().to_string(), "read", &error)
            .hint("name a database with a table `things (id, type, data)`")
    };
    let mut left_statement = expected.connection.prepare(sorted).map_err(|error| expected.failed(&error))?;
    let chosen = if is_binary(actual)? { sorted } else { sql };
    let mut right_statement = actual.connection.prepare(chosen).map_err(failed)?;
    let mut left = Walk {
        side: expected,
        rows: left_statement.query([]).map_err(|error| expected.failed(&error))?,
        thing: None,
        collected: expected.collected.iter().peekable(),
    };
    let mut right = Walk {
        side: actual,
        rows: right_statement.query([]).map_err(failed)?,
        thing: None,
        collected: actual.collected.iter().peekable(),
    };
    left.step()?;
    right.step()?;
    let shown = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
    let mut note =
        |id: &[u8], kind, detail: String| differences.push(Difference { id: shown(id), kind, detail });
    for id in &actual.repeated {
        note(id, DifferenceKind::Repeated, "it is in collections twice".to_owned());
    }
    let (mut wanted, mut found) = (left.next()?, right.next()?);
    let mut entities = 0;
    let mut last: Option<Vec<u8>> = None;
    loop {
        if entities % 4096 == 0 {
            interrupt::check()?;
        }
        let order = match (&wanted, &found) {
            (None, None) => return Ok(entities),
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
        };
        if order != std::cmp::Ordering::Less
            && let Some((id, data)) = &found
        {
            entities += 1;
            if serde_json::from_slice::<&RawValue>(data).is_err() {
                note(id, DifferenceKind::Invalid, "its data is no JSON".to_owned());
            } else {
                let wrong = validate_entity(id, data);
                if !wrong.is_empty() {
                    note(id, DifferenceKind::Invalid, wrong.join("; "));
                }
            }
            if last.as_deref() == Some(id) {
                note(id, DifferenceKind::Repeated, "it is in things and in collections".to_owned());
            }
            last = Some(id.clone());
        }
        match order {
            std::cmp::Ordering::Less => {
                if let Some((id, _)) = &wanted {
                    note(id, DifferenceKind::Missing, "it is not in the image".to_owned());
                }
                wanted = left.next()?;
            }
            std::cmp::Ordering::Greater => {
                if let Some((id, _)) = &found {
                    note(id, DifferenceKind::Unexpected, "the log does not have it".to_owned());
                }
                found = right.next()?;
            }
            std::cmp::Ordering::Equal => {
                if let (Some((id, one)), Some((_, other))) = (&wanted, &found)
                    && one != other
                    && let Some(members) = differing(one, other)
                {
                    note(id, DifferenceKind::Different, members);
                }
                wanted = left.next()?;
                found = right.next()?;
            }
        }
    }
}

/// The members in which two entities differ, if they do: order and spelling do not count.
fn differing(one: &[u8], other: &[u8]) -> Option<String> {
    let members = |data: &[u8]| serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(data).ok();
    let (Some(one), Some(other)) = (members(one), members(other)) else {
        return Some("one of the two is no JSON object".to_owned());
    };
    let same = |one: &RawValue, other: &RawValue| {
        one.get() == other.get()
            || match (serde_json::from_str::<Value>(one.get()), serde_json::from_str::<Value>(other.get())) {
                (Ok(one), Ok(other)) => one == other,
                _ => false,
            }
    };
    let mut names: Vec<&String> = one
        .iter()
        .filter(|(name, value)| other.get(*name).is_none_or(|there| !same(value, there)))
        .map(|(name, _)| name)
        .collect();
    names.extend(other.keys().filter(|name| !one.contains_key(*name)));
    if names.is_empty() {
        None
    } else {
        Some(names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "))
    }
}
