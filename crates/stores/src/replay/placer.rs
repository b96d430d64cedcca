//! Where entities are kept: each in a row of `things`, or all of a type in one row of `collections`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{CachedStatement, OptionalExtension, params};

use dotctl_engine::event::{EventRecord, collection_entities, entity_hash};
use dotctl_engine::limits::ROW;
use dotctl_engine::{Error, Result};

use super::built::BuiltTable;
use super::fold::Row;
use super::image::Image;
use super::spill::{Spill, SpillWriter};

/// Bytes of entities that wait in memory for what becomes of their types.
const HELD_BYTES_MAX: usize = 24 << 20;

/// Types at most: each has its number of entities in memory.
const TYPES_MAX: usize = 1_000_000;

/// Bytes of a type's name for which a row has room; a longer one is no collection's.
const NAME_BYTES_MAX: u64 = 10_000;

/// Entities' data by id.
type Held = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// A type and where its entities are.
struct Type {
    entities: u64,
    data_bytes: u64,
    place: Place,
    changed: bool,
}

enum Place {
    Things,
    /// In the row of `collections`, not looked at yet.
    Collection,
    /// Here: id and data.
    Held(Held),
}

/// Where rows of `things` go.
enum Rows<'a> {
    /// They are only counted.
    Nowhere,
    /// Into the table, in any order.
    Table(CachedStatement<'a>),
    /// Into a table that is being built, in the order of ids; what comes late waits.
    Built { table: &'a mut BuiltTable, late: SpillWriter<'a> },
}

/// Puts entities into an image.
pub struct Placer<'a> {
    image: Option<&'a Image>,
    rows: Rows<'a>,
    threshold: u64,
    types: HashMap<Box<[u8]>, Type>,
    held_bytes: usize,
    /// Types by the hash of each entity in a collection.
    collected: HashMap<u64, Vec<Box<[u8]>>>,
    entities: u64,
}

/// What a placer knows of types, from building a table to completing the image.
pub struct Types {
    types: HashMap<Box<[u8]>, Type>,
    threshold: u64,
    held_bytes: usize,
    entities: u64,
}

impl<'a> Placer<'a> {
    fn with(image: Option<&'a Image>, rows: Rows<'a>, threshold: u64) -> Self {
        Placer {
            image,
            rows,
            threshold,
            types: HashMap::new(),
            held_bytes: 0,
            collected: HashMap::new(),
            entities: 0,
        }
    }

    /// For entities that are only counted.
    pub fn counting(threshold: u64) -> Self {
        Placer::with(None, Rows::Nowhere, threshold)
    }

    /// For an image without entities whose `things` are built; entities come in the order of their
    /// ids. Those that turn out to belong there only later go to `late`.
    pub fn building(table: &'a mut BuiltTable, late: &'a Spill, threshold: u64) -> Self {
        let late = SpillWriter::new(late, 256 << 10);
        Placer::with(None, Rows::Built { table, late }, threshold)
    }

    /// Ends building.
    pub fn built(self) -> Result<Types> {
        if let Rows::Built { late, .. } = self.rows {
            late.finish()?;
        }
        Ok(Types {
            types: self.types,
            threshold: self.threshold,
            held_bytes: self.held_bytes,
            entities: self.entities,
        })
    }

    /// Goes on with the image whose `things` were built: puts in those that came late.
    pub fn completing(image: &'a Image, types: Types, late: &Spill) -> Result<Self> {
        let mut placer = Placer::with(Some(image), table(image)?, types.threshold);
        placer.types = types.types;
        placer.held_bytes = types.held_bytes;
        placer.entities = types.entities;
        late.each_extent(0, &mut |extent| {
            let mut rest = extent;
            while let Some((record, bytes)) = EventRecord::read(rest) {
                rest = rest.get(bytes..).unwrap_or_default();
                placer.write(record.id, record.entity_type, record.payload)?;
            }
            Ok(())
        })?;
        Ok(placer)
    }

    /// For an image that has entities; `threshold` may be another than theirs.
    pub fn existing(image: &'a Image, threshold: u64) -> Result<Self> {
        let mut placer = Placer::with(Some(image), table(image)?, threshold);
        let replaced = image.columnar_threshold()? != threshold;
        let rows: Vec<(String, i64, i64)> = image.ask(|connection| {
            connection
                .prepare("SELECT type, entities, data_bytes FROM replay_types")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        for (name, entities, data_bytes) in rows {
            let entities = u64::try_from(entities).unwrap_or(0);
            let data_bytes = u64::try_from(data_bytes).unwrap_or(0);
            placer.entities += entities;
            let known = Type { entities, data_bytes, place: Place::Things, changed: replaced };
            placer.types.insert(name.into_bytes().into(), known);
        }
        let names: Vec<String> = image.ask(|connection| {
            connection.prepare("SELECT type FROM collections")?.query_map([], |row| row.get(0))?.collect()
        })?;
        for name in names {
            let name: Box<[u8]> = name.into_bytes().into();
            for id in collection(image, &name)?.into_keys() {
                placer.collected.entry(entity_hash(&id)).or_default().push(name.clone());
            }
            match placer.types.get_mut(&name) {
                Some(known) => known.place = Place::Collection,
                None => {
                    return Err(
                        Error::corrupt("a collection of a type that is not counted").at(&*image.place)
                    );
                }
            }
        }
        if replaced {
            image.set_columnar_threshold(threshold)?;
        }
        Ok(placer)
    }

    /// Entities that there are.
    pub fn entities(&self) -> u64 {
        self.entities
    }

    /// An entity's type and data, if it is there.
    pub fn find(&mut self, id: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some(image) = self.image else {
            return Ok(None);
        };
        if let Some(names) = self.collected.get(&entity_hash(id)).cloned() {
            for name in names {
                self.open(&name)?;
                if let Some(Type { place: Place::Held(held), .. }) = self.types.get(&name)
                    && let Some(data) = held.get(id)
                {
                    return Ok(Some((name.to_vec(), data.to_vec())));
                }
            }
        }
        let id = text(id)?;
        image.ask(|connection| {
            connection
                .prepare_cached("SELECT type, data FROM things WHERE id = ?1")?
                .query_row([id], |row| {
                    Ok((row.get::<_, String>(0)?.into_bytes(), row.get::<_, String>(1)?.into_bytes()))
                })
                .optional()
        })
    }

    /// Takes a collection out of its row, to be changed.
    fn open(&mut self, name: &[u8]) -> Result<()> {
        if let (Some(image), Some(known)) = (self.image, self.types.get_mut(name))
            && matches!(known.place, Place::Collection)
        {
            let held = collection(image, name)?;
            self.held_bytes += known.data_bytes as usize;
            known.place = Place::Held(held);
        }
        Ok(())
    }

    /// Takes out the entity `id`, which was there as `type_name` and `data`.
    pub fn remove(&mut self, id: &[u8], type_name: &[u8], data: &[u8]) -> Result<()> {
        self.open(type_name)?;
        let Some(known) = self.types.get_mut(type_name) else {
            return Ok(());
        };
        known.entities = known.entities.saturating_sub(1);
        known.data_bytes = known.data_bytes.saturating_sub(data.len() as u64);
        known.changed = true;
        self.entities = self.entities.saturating_sub(1);
        match &mut known.place {
            Place::Held(held) => {
                held.remove(id);
                Ok(())
            }
            _ => {
                let Some(image) = self.image else {
                    return Ok(());
                };
                let id = text(id)?;
                image.ask(|connection| {
                    connection.prepare_cached("DELETE FROM things WHERE id = ?1")?.execute([id]).map(|_| ())
                })
            }
        }
    }

    /// Puts in an entity that is not there.
    #[inline]
    pub fn insert(&mut self, row: Row<'_>) -> Result<()> {
        self.entities += 1;
        if !self.types.contains_key(row.type_name) {
            if self.types.len() >= TYPES_MAX {
                return Err(Error::unsupported(format!("there are more than {TYPES_MAX} types")));
            }
            let place = Place::Held(BTreeMap::new());
            self.types
                .insert(row.type_name.into(), Type { entities: 0, data_bytes: 0, place, changed: true });
        }
        self.open(row.type_name)?;
        let Some(known) = self.types.get_mut(row.type_name) else {
            return Ok(());
        };
        known.entities += 1;
        known.data_bytes += row.data.len() as u64;
        known.changed = true;
        if let Place::Held(held) = &mut known.place {
            held.insert(row.id.into(), row.data.into());
            self.held_bytes += row.data.len();
            let grown = known.entities >= self.threshold;
            if grown || known.data_bytes as usize > HELD_BYTES_MAX {
                return self.spread(row.type_name);
            }
            if self.held_bytes > HELD_BYTES_MAX {
                return self.spread_all();
            }
            return Ok(());
        }
        match &mut self.rows {
            Rows::Built { table, .. } => table.push(row),
            _ => self.write(row.id, row.type_name, row.data),
        }
    }

    /// Puts a row into `things`, now or, while that is built, later.
    fn write(&mut self, id: &[u8], type_name: &[u8], data: &[u8]) -> Result<()> {
        match &mut self.rows {
            Rows::Nowhere => Ok(()),
            Rows::Table(insert) => insert
                .execute(params![text(id)?, text(type_name)?, text(data)?])
                .map(|_| ())
                .map_err(|error| {
                    crate::alone::failure(self.image.map_or("", |image| &image.place), "write", &error)
                }),
            Rows::Built { late, .. } => {
                let record = EventRecord::row(id, type_name, data);
                late.push(0, record.stored_bytes_max(), |into| record.write(into))
            }
        }
    }

    /// Puts a type's entities into rows of their own.
    fn spread(&mut self, name: &[u8]) -> Result<()> {
        let Some(known) = self.types.get_mut(name) else {
            return Ok(());
        };
        if let Place::Held(held) = std::mem::replace(&mut known.place, Place::Things) {
            self.held_bytes = self.held_bytes.saturating_sub(known.data_bytes as usize);
            for (id, data) in held {
                self.write(&id, name, &data)?;
            }
            if let Some(image) = self.image {
                drop_collection(image, name)?;
            }
        }
        Ok(())
    }

    /// Does so for all that are held: what should be a collection is gathered again at the end.
    fn spread_all(&mut self) -> Result<()> {
        let held: Vec<Box<[u8]>> = self
            .types
            .iter()
            .filter(|(_, known)| matches!(known.place, Place::Held(_)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in held {
            self.spread(&name)?;
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// Puts every type where it belongs and remembers how many entities it has.
    pub fn finish(mut self) -> Result<()> {
        let Some(image) = self.image else {
            return Ok(());
        };
        let changed: Vec<Box<[u8]>> =
            self.types.iter().filter(|(_, known)| known.changed).map(|(name, _)| name.clone()).collect();
        let mut scattered = Vec::new();
        for name in &changed {
            let Some(known) = self.types.get(name) else { continue };
            let columnar = name.len() as u64 <= NAME_BYTES_MAX && is_columnar(known, self.threshold);
            match &known.place {
                Place::Held(held) if columnar => write_collection(image, name, held)?,
                Place::Held(_) => self.spread(name)?,
                Place::Collection if !columnar => {
                    self.open(name)?;
                    self.spread(name)?;
                }
                Place::Things if columnar && known.entities > 0 => {
                    scattered.push((name.clone(), known.data_bytes))
                }
                Place::Things | Place::Collection => {}
            }
        }
        gather(image, scattered)?;
        image.ask(|connection| {
            let mut replace =
                connection.prepare("INSERT OR REPLACE INTO replay_types VALUES (?1, ?2, ?3)")?;
            let mut remove = connection.prepare("DELETE FROM replay_types WHERE type = ?1")?;
            for name in &changed {
                let Some(known) = self.types.get(name) else { continue };
                let name = String::from_utf8_lossy(name);
                if known.entities == 0 {
                    remove.execute([name])?;
                } else {
                    replace.execute(params![name, known.entities as i64, known.data_bytes as i64])?;
                }
            }
            Ok(())
        })
    }
}

/// Whether a type belongs into one row: it is small, and an object can hold the row.
fn is_columnar(known: &Type, threshold: u64) -> bool {
    // Commas and brackets around the entities' own bytes, and as much again for the type's name.
    known.entities < threshold && known.data_bytes + known.entities + 2 + NAME_BYTES_MAX < ROW.amount
}

fn table(image: &Image) -> Result<Rows<'_>> {
    let insert = image.connection.prepare_cached("INSERT OR REPLACE INTO things VALUES (?1, ?2, ?3)");
    insert.map(Rows::Table).map_err(|error| crate::alone::failure(&image.place, "write", &error))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::malformed("an id, type or payload is not UTF-8"))
}

fn drop_collection(image: &Image, name: &[u8]) -> Result<()> {
    let name = text(name)?;
    image.ask(|connection| {
        connection.prepare_cached("DELETE FROM collections WHERE type = ?1")?.execute([name]).map(|_| ())
    })
}

fn write_collection(image: &Image, name: &[u8], held: &Held) -> Result<()> {
    if held.is_empty() {
        return drop_collection(image, name);
    }
    let mut row = Vec::from(*b"[");
    for data in held.values() {
        if row.len() > 1 {
            row.push(b',');
        }
        row.extend_from_slice(data);
    }
    row.push(b']');
    let (name, row) = (text(name)?, text(&row)?);
    image.ask(|connection| {
        connection
            .prepare_cached("INSERT OR REPLACE INTO collections VALUES (?1, ?2)")?
            .execute(params![name, row])
            .map(|_| ())
    })
}

/// A collection's entities: id and data.
pub fn collection(image: &Image, name: &[u8]) -> Result<Held> {
    let name = text(name)?;
    let row: Option<String> = image.ask(|connection| {
        connection
            .prepare_cached("SELECT data FROM collections WHERE type = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()
    })?;
    let row = row.unwrap_or_default();
    collection_entities(row.as_bytes())
        .map(|all| all.into_iter().map(|(id, data)| (id.into(), data.into())).collect())
        .ok_or_else(|| {
            Error::corrupt(format!("the collection {name:?} is no JSON array of entities")).at(&*image.place)
        })
}

/// Takes small types out of `things` and makes one row of each.
fn gather(image: &Image, mut scattered: Vec<(Box<[u8]>, u64)>) -> Result<()> {
    while !scattered.is_empty() {
        // As many at once as memory allows.
        let mut bytes = 0;
        let mut wanted: BTreeSet<Box<[u8]>> = BTreeSet::new();
        while let Some((name, data_bytes)) = scattered.pop() {
            bytes += data_bytes as usize;
            wanted.insert(name);
            if bytes > HELD_BYTES_MAX {
                break;
            }
        }
        let mut found: BTreeMap<Box<[u8]>, Held> = BTreeMap::new();
        image.ask(|connection| {
            let mut all = connection.prepare("SELECT id, type, data FROM things")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                let name = row.get_ref(1)?.as_bytes()?;
                if wanted.contains(name) {
                    let (id, data) = (row.get_ref(0)?.as_bytes()?, row.get_ref(2)?.as_bytes()?);
                    found.entry(name.into()).or_default().insert(id.into(), data.into());
                }
            }
            Ok(())
        })?;
        for (name, held) in &found {
            for id in held.keys() {
                let id = text(id)?;
                image.ask(|connection| {
                    connection.prepare_cached("DELETE FROM things WHERE id = ?1")?.execute([id]).map(|_| ())
                })?;
            }
            write_collection(image, name, held)?;
        }
    }
    Ok(())
}
