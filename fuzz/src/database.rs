//! Databases, write-ahead logs and rollback journals of any bytes: an answer, from pages that are
//! each read only a few times.
//!
//! Byte 0 of the input says what the rest is: see [`fuzz`].

mod image;

use dotctl_engine::image::PageReader;
use dotctl_engine::image::header::DatabaseHeader;
use dotctl_engine::image::journal::JournalScanner;
use dotctl_engine::image::lookup::{Lookup, alarm_nanoseconds};
use dotctl_engine::image::wal::{LogExtent, LogHeader, LogScanner};
use dotctl_engine::measure::ValueFacts;
use dotctl_engine::value;

use image::Image;

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => database(rest),
        1 => log(rest),
        // A fuzzer finds no checksum: with right ones it comes further.
        2 => log(&checksummed(rest)),
        _ => journal(rest),
    }
}

struct Values;

impl ValueFacts for Values {
    fn kind(&self, value: &[u8]) -> Option<&'static str> {
        value::kind(value).ok().map(value::ValueKind::name)
    }

    fn expires_at_ms(&self, value: &[u8]) -> Option<f64> {
        Some(value.len() as f64)
    }

    fn may_be_record(&self, _key: &[u8], value: &[u8]) -> bool {
        value.len() % 2 == 1
    }
}

/// The report is printed, too.
fn inspect(image: &Image<&[u8]>, part_count: usize) {
    let _ = image.inspect(part_count, &Values).map(|report| format!("{report:?}"));
}

fn database(bytes: &[u8]) {
    let image = Image::new(bytes);
    let pages = u64::from(image.page_count());
    if let Ok(header) = DatabaseHeader::parse(bytes) {
        let _ = header.page_count(image.page_count());
    }
    inspect(&image, 1);
    let reads = image.take_reads();
    assert!(reads <= 4 * pages + 1_000, "{reads} reads of {pages} pages");
    inspect(&image, 3);
    image.take_reads();
    let mut lookups: Vec<Lookup> =
        [&b"a"[..], b"counter:7", b"none", b"z"].map(|key| Lookup::key(image.page_count(), key)).into();
    lookups.push(Lookup::alarm(image.page_count()));
    for mut lookup in lookups {
        if let Ok(true) = lookup.run(image.page_bytes, |page, into| image.read(page, into))
            && let Ok(column) = lookup.column(1)
        {
            let _ = alarm_nanoseconds(column);
        }
        let reads = image.take_reads();
        assert!(reads <= 3 * pages + 10, "{reads} reads of {pages} pages");
    }
}

const LOG_HEADER_BYTES: usize = 32;

fn log(bytes: &[u8]) {
    let Ok(Some(header)) = LogHeader::parse(bytes) else {
        return;
    };
    let frames = &bytes[LOG_HEADER_BYTES..];
    let mut whole = LogScanner::new(header);
    whole.feed(frames);
    let whole = whole.finish(3);
    let mut pieces = LogScanner::new(header);
    for piece in frames.chunks(97) {
        if !pieces.feed(piece) {
            break;
        }
    }
    assert_eq!(whole, pieces.finish(3), "split input reads differently");
    let Ok(index) = whole else {
        return;
    };
    assert!(index.frame_count() as usize <= frames.len() / header.frame_bytes());
    let mut page = 1;
    let mut held = 0;
    while page <= index.page_count() {
        let pages = match index.extent(page, 5) {
            LogExtent::Frames { offset, pages } => {
                held += pages as usize;
                let end = offset as usize
                    + (pages as usize - 1) * header.frame_bytes()
                    + index.page_bytes() as usize;
                assert!(offset >= 56 && end <= bytes.len(), "frames past the log's end");
                assert_eq!(index.offset(page), Some(offset));
                pages
            }
            LogExtent::Absent { pages } => pages,
        };
        assert!((1..=5).contains(&pages));
        page += pages;
    }
    // The last stretch may look past the last page, which no frame holds.
    assert_eq!(held, index.held_pages());
}

/// `bytes` as a log whose magic, version, salts and checksums are right.
fn checksummed(bytes: &[u8]) -> Vec<u8> {
    let mut log = bytes.to_vec();
    let Some(header) = log.first_chunk_mut::<LOG_HEADER_BYTES>() else {
        return log;
    };
    header[..4].copy_from_slice(&0x377f_0683_u32.to_be_bytes());
    header[4..8].copy_from_slice(&3_007_000_u32.to_be_bytes());
    let page_bytes = 512 << (header[11] % 3);
    header[8..12].copy_from_slice(&u32::to_be_bytes(page_bytes));
    let salts: [u8; 8] = header[16..24].try_into().expect("eight bytes");
    let mut sums = (0, 0);
    add(&mut sums, &header[..24]);
    header[24..28].copy_from_slice(&sums.0.to_be_bytes());
    header[28..].copy_from_slice(&sums.1.to_be_bytes());
    for frame in log[LOG_HEADER_BYTES..].chunks_exact_mut(24 + page_bytes as usize) {
        // Few pages, so that frames supersede each other.
        frame[..3].fill(0);
        frame[4..7].fill(0);
        frame[8..16].copy_from_slice(&salts);
        add(&mut sums, &frame[..8]);
        add(&mut sums, &frame[24..]);
        frame[16..20].copy_from_slice(&sums.0.to_be_bytes());
        frame[20..24].copy_from_slice(&sums.1.to_be_bytes());
    }
    log
}

fn add((first, second): &mut (u32, u32), bytes: &[u8]) {
    for pair in bytes.chunks_exact(8) {
        let (one, two) = pair.split_at(4);
        let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
        *first = first.wrapping_add(word(one)).wrapping_add(*second);
        *second = second.wrapping_add(word(two)).wrapping_add(*first);
    }
}

fn journal(bytes: &[u8]) {
    let mut scanner = JournalScanner::new(bytes.len() as u64, 512);
    let mut last = None;
    let mut steps = 0;
    while let Some((offset, length)) = scanner.wanted() {
        assert!(last < Some(offset), "a journal is read forwards");
        last = Some(offset);
        steps += 1;
        assert!(steps <= bytes.len() / 32 + 2, "{steps} steps in {} bytes", bytes.len());
        let rest = &bytes[(offset as usize).min(bytes.len())..];
        scanner.give(&rest[..length.min(rest.len())]);
    }
    if let Ok(Some(index)) = scanner.finish(3) {
        for page in 1..=index.page_count().min(300) {
            if let Some(offset) = index.offset(page) {
                assert!(
                    offset as usize + index.page_bytes() as usize <= bytes.len(),
                    "pages past the journal's end"
                );
            }
            assert!(index.next_held(page).is_none_or(|next| next >= page));
        }
    }
}
