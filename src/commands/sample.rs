//! Real data in place of the formula.

use std::path::Path;

use dotctl_engine::budget::Used;
use dotctl_engine::checkpoint::codec_setting;
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::{Codec, CodecSetting};
use dotctl_engine::format::CheckpointKind;
use dotctl_engine::image::inspect::TableReport;
use dotctl_engine::image::schema::TreeKind;
use dotctl_engine::{Error, Result};
use dotctl_stores::drive::{
    SampleReport, SampleSetting, inspect_database, sample_database, sample_file, sample_operator,
};

use crate::open::{self, Source};
use crate::output::Output;
use crate::render::Bar;

/// What a sample of a source says, and how many entries it has.
pub struct Sampled {
    pub report: SampleReport,
    /// Entries, rows or events; pages are none.
    pub entries: u64,
    /// Mean bytes of a key and a value, where they are known.
    pub entry_bytes: (u64, u64),
}

/// How much is sampled.
pub struct SampleSize {
    pub chunk_size: ChunkSize,
    pub percent: f64,
}

impl Default for SampleSize {
    fn default() -> Self {
        SampleSize { chunk_size: ChunkSize::DEFAULT, percent: 2.0 }
    }
}

/// Samples the database, state snapshot or event log at `path` with `codecs`.
pub fn sample(
    path: &Path,
    size: &SampleSize,
    codecs: impl Fn(CheckpointKind) -> Result<Vec<CodecSetting>>,
    output: &Output,
) -> Result<Sampled> {
    let bar = Bar::new(output.progress);
    let scratch = open::temporary_folder();
    let setting = |codecs| SampleSetting {
        chunk_size: size.chunk_size,
        percent: size.percent,
        codecs,
        scratch: &scratch,
    };
    match open::source(path)? {
        Source::Database(path) => {
            let codecs = codecs(CheckpointKind::Image)?;
            let report = sample_database(&path, &setting(&codecs), &bar)?;
            let inspected = inspect_database(&path, open::now()?.unix_ms(), &bar)?;
            let key_values = inspected.key_values.as_ref();
            // The schema is a tree too, and so are indexes, whose entries the tables have already.
            let is_data =
                |tree: &&TableReport| tree.kind != TreeKind::Index && !tree.name.starts_with("sqlite_");
            let data = inspected.tables.iter().filter(is_data);
            let rows: u64 = data.map(|table| table.row_count).sum();
            let entries = key_values.map_or(rows, |found| found.count);
            let mean = |bytes: u64| bytes / entries.max(1);
            let entry_bytes =
                key_values.map_or((0, 0), |found| (mean(found.key_bytes), mean(found.value_bytes)));
            Ok(Sampled { report, entries, entry_bytes })
        }
        Source::State(path) => {
            let codecs = codecs(CheckpointKind::State)?;
            let report = sample_file(&path, &setting(&codecs), &bar)?;
            let entries = report.record_count;
            let mean = report.raw_bytes / entries.max(1);
            Ok(Sampled { report, entries, entry_bytes: (0, mean) })
        }
        Source::Live(address) => Err(Error::unsupported("a live object cannot be sampled")
            .at(address.as_str())
            .hint("restore a checkpoint of it first: `dotctl restore latest --to FILE --store ADDRESS`")),
        Source::Objects(_) | Source::Store(_) => Err(Error::malformed("a folder cannot be sampled")
            .at(path.display().to_string())
            .hint("name one object's database, a state snapshot or an event log")),
    }
}

/// Every codec at the levels worth a look.
pub fn codecs_to_try(kind: CheckpointKind) -> Result<Vec<CodecSetting>> {
    let default = codec_setting(kind, Codec::Zstd, None)?.level();
    let mut settings = vec![CodecSetting::new(Codec::Zstd, default)?];
    for level in [1, 3, 6, 9] {
        if level != default {
            settings.push(CodecSetting::new(Codec::Zstd, level)?);
        }
    }
    settings.push(codec_setting(kind, Codec::Gzip, None)?);
    settings.push(codec_setting(kind, Codec::None, None)?);
    // Pages are no lines.
    if kind != CheckpointKind::Image {
        for codec in [Codec::Columnar, Codec::Dictionary, Codec::Auto] {
            settings.push(codec_setting(kind, codec, None)?);
        }
    }
    Ok(settings)
}

/// The codec that `snapshot` takes.
fn usual(kind: CheckpointKind) -> Result<Vec<CodecSetting>> {
    Ok(vec![codec_setting(kind, Codec::Zstd, None)?])
}

/// What the source at `path` takes of a budget, perhaps with another number of entries than it has.
pub fn used(path: &Path, entries: Option<u64>, output: &Output) -> Result<Used> {
    let size = SampleSize::default();
    let sampled = sample(path, &size, usual, output)?;
    let count = entries.unwrap_or(sampled.entries);
    let report = sampled.report.rescaled(sampled.entries, count, size.chunk_size);
    let compressed = report.codecs.first().map_or(0, |codec| codec.bounds.compressed_bytes);
    Ok(Used { count, raw_bytes: report.raw_bytes, compressed_bytes: compressed })
}

/// What the operator has whose keys in the database at `path` begin with `prefix`.
pub fn used_by_operator(path: &Path, prefix: &str, output: &Output) -> Result<Used> {
    let (size, scratch) = (SampleSize::default(), open::temporary_folder());
    let codecs = usual(CheckpointKind::State)?;
    let setting = SampleSetting {
        chunk_size: size.chunk_size,
        percent: size.percent,
        codecs: &codecs,
        scratch: &scratch,
    };
    let report = sample_operator(path, prefix, &setting, &Bar::new(output.progress))?;
    let compressed = report.codecs.first().map_or(0, |codec| codec.bounds.compressed_bytes);
    Ok(Used { count: report.record_count, raw_bytes: report.raw_bytes, compressed_bytes: compressed })
}
