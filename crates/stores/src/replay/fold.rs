//! A partition's events by entity, and what they make of each.

use dotctl_engine::event::EventRecord;

use super::marks::Marks;

/// The events of a partition's entities, those marked in `without` left out, in the order of ids.
pub fn by_entity<'a>(bytes: &'a [u8], without: &Marks) -> Vec<EventRecord<'a>> {
    let mut records = Vec::with_capacity(bytes.len() / 256);
    let mut rest = bytes;
    while let Some((record, length)) = EventRecord::read(rest) {
        rest = rest.get(length..).unwrap_or_default();
        if !without.has(record.position) {
            records.push(record);
        }
    }
    // Ids share their beginning: eight bytes behind it tell most of them apart.
    let shared = shared_bytes(&records);
    let mut order: Vec<(u64, u32)> = records
        .iter()
        .enumerate()
        .map(|(place, record)| (word(record.id.get(shared..).unwrap_or_default()), place as u32))
        .collect();
    let id = |place: u32| records.get(place as usize).map_or(&[][..], |record| record.id);
    order.sort_unstable_by(|one, other| {
        one.0.cmp(&other.0).then_with(|| id(one.1).cmp(id(other.1))).then_with(|| one.1.cmp(&other.1))
    });
    order.into_iter().filter_map(|(_, place)| records.get(place as usize).copied()).collect()
}

/// Bytes with which all ids begin alike.
fn shared_bytes(records: &[EventRecord<'_>]) -> usize {
    let Some((first, rest)) = records.split_first() else {
        return 0;
    };
    rest.iter().fold(first.id.len(), |shared, record| {
        let alike = first.id.iter().zip(record.id).take(shared).take_while(|(one, other)| one == other);
        alike.count()
    })
}

/// The first eight bytes as a number that orders as they do; zeros stand for what is not there.
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (place, byte) in word.iter_mut().zip(bytes) {
        *place = *byte;
    }
    u64::from_be_bytes(word)
}

/// Rows of `things`, one after another.
#[derive(Default)]
pub struct Rows {
    bytes: Vec<u8>,
    /// Lengths of id, type and data.
    lengths: Vec<[u32; 3]>,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The entity; UTF-8.
    pub id: &'a [u8],
    /// Its type; UTF-8.
    pub type_name: &'a [u8],
    /// Its JSON.
    pub data: &'a [u8],
}

impl Rows {
    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
    }

    /// Bytes of all rows.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a row whose data `write` appends.
    pub fn push(&mut self, id: &[u8], type_name: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(id);
        self.bytes.extend_from_slice(type_name);
        let start = self.bytes.len();
        write(&mut self.bytes);
        let data_bytes = self.bytes.len() - start;
        self.lengths.push([id.len() as u32, type_name.len() as u32, data_bytes as u32]);
    }

    /// Every row, in order.
    pub fn each(&self) -> impl Iterator<Item = Row<'_>> {
        let mut rest = self.bytes.as_slice();
        self.lengths.iter().map_while(move |lengths| {
            let mut take = |bytes: u32| {
                let (taken, after) = rest.split_at_checked(bytes as usize)?;
                rest = after;
                Some(taken)
            };
            let [id, type_name, data] = lengths.map(&mut take);
            Some(Row { id: id?, type_name: type_name?, data: data? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_order_as_bytes_do() {
        let all: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"abcdefgh", b"abcdefgi"];
        for pair in all.windows(2) {
            assert!(word(pair[0]) <= word(pair[1]), "{pair:?}");
        }
        assert_eq!(word(b"a"), u64::from(b'a') << 56);
        assert_eq!(word(b""), 0);
    }
}
