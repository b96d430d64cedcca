//! What a source would take as a checkpoint, from some of its chunks.

mod image;
mod log;
mod operator;
mod respool;
mod state;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use dotctl_engine::checkpoint::{PackSink, write_dictionary};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::{Codec, CodecSetting, Encoder};
use dotctl_engine::estimate::{Bounds, ChunkFacts, Sample, choose, extrapolate};
use dotctl_engine::format::{PackEntry, RecordKey};
use dotctl_engine::{Result, estimate};

use super::Progress;
use super::state::{TRAINING_BYTES, train};
pub use image::sample_database;
pub use operator::sample_operator;
pub use state::sample_file;

/// How a source is sampled.
#[derive(Debug, Clone)]
pub struct SampleSetting<'a> {
    /// Raw size that the checkpoint's chunks aim at.
    pub chunk_size: ChunkSize,
    /// How many of a hundred chunks are compressed; a few in any case.
    pub percent: f64,
    /// How chunks are compressed.
    pub codecs: &'a [CodecSetting],
    /// A folder for temporary files as large as the source.
    pub scratch: &'a Path,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleKind {
    /// State entries.
    State,
    /// A database's pages.
    Image,
    /// Events, a line each.
    Log,
}

/// What the sample says.
#[derive(Debug, Clone, Serialize)]
pub struct SampleReport {
    /// What the source is.
    pub kind: SampleKind,
    /// Entries, pages or events in it.
    pub record_count: u64,
    /// Bytes that restoring the checkpoint would write.
    pub raw_bytes: u64,
    /// Chunks of the checkpoint.
    pub chunk_count: u64,
    /// Those that were compressed.
    pub sampled_chunk_count: u64,
    /// Bytes that were compressed: those chunks, and a run of each chunk.
    pub sampled_bytes: u64,
    /// What each codec makes of it, in the order asked for.
    pub codecs: Vec<CodecReport>,
    /// Standard deviation of what chunks compress to, by its mean.
    #[serde(skip)]
    pub spread: f64,
}

/// What one codec makes of the source.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CodecReport {
    /// The codec.
    pub codec: Codec,
    /// Its level.
    pub level: i32,
    /// Bytes of the whole checkpoint.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// How long one thread compresses all of it, in milliseconds.
    pub compress_ms: f64,
    /// Bytes of the directory among those, which an image has.
    pub directory_bytes: u64,
    /// `log2` of how much a chunk grows when its length doubles.
    #[serde(skip)]
    pub growth: f64,
}

/// A source that can be gone through several times, chunk by chunk.
trait ChunkSource {
    /// Gives each chunk, or those that `wanted` lists in rising order: its number, its first key, its bytes
    /// and its records.
    fn each(&mut self, wanted: Option<&[usize]>, visit: &mut Visit<'_>) -> Result<()>;
}

type Visit<'a> = dyn FnMut(usize, &RecordKey, &[u8], u32) -> Result<()> + 'a;

/// Share of each chunk that is its probe.
const PROBE_PART: usize = 100;

/// Bytes of a probe, at least: fewer say little.
const PROBE_BYTES_MIN: usize = 4 << 10;

/// Runs of bytes of which a probe is made, from all over the chunk, so that each sort of entry in it is met.
const PROBE_PIECES: usize = 8;

/// What a first reading of the source learns.
#[derive(Default)]
struct Survey {
    chunks: Vec<ChunkFacts>,
    record_count: u64,
    raw_bytes: u64,
    probed_bytes: u64,
    seed: u64,
    /// What blocks of the first chunks compress to for each record, and their bytes.
    blocks: Vec<(f64, usize)>,
}

/// Blocks into which a chunk is cut to learn how much its entries differ.
const BLOCKS: usize = 16;

/// Parts of a chunk with about as many records each, and how many: lines, or pages.
fn blocks(raw: &[u8], record_count: u32) -> Vec<(&[u8], usize)> {
    let wanted = (record_count as usize).div_ceil(BLOCKS).max(1);
    let lines = raw.split_inclusive(|byte| *byte == b'\n').count();
    if lines != record_count as usize {
        let bytes = raw.len().div_ceil(BLOCKS).max(1);
        return raw.chunks(bytes).map(|block| (block, wanted)).collect();
    }
    let (mut found, mut rest, mut lines, mut end) = (Vec::new(), raw, 0, 0);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        lines += 1;
        if lines == wanted {
            let (block, after) = rest.split_at(end.min(rest.len()));
            found.push((block, lines));
            (rest, lines, end) = (after, 0, 0);
        }
    }
    // A last block of few lines says more of itself than of the others.
    found
}

/// Goes through all chunks. The first ones are kept in `training` where a dictionary is to be made of them.
fn survey(
    source: &mut dyn ChunkSource,
    mut training: Option<&mut Vec<Vec<u8>>>,
    progress: &dyn Progress,
) -> Result<Survey> {
    let mut training_bytes = 0;
    let mut survey = Survey { seed: 0xcbf2_9ce4_8422_2325, ..Survey::default() };
    let mut encoder = Encoder::new(CodecSetting::new(Codec::Zstd, 1)?)?;
    let (mut stored, mut probe) = (Vec::new(), Vec::new());
    source.each(None, &mut |_, first_key, raw, record_count| {
        if let Some(training) = &mut training
            && training_bytes < TRAINING_BYTES
        {
            training_bytes += raw.len();
            training.push(raw.to_vec());
        }
        let wanted = (raw.len() / PROBE_PART).max(PROBE_BYTES_MIN).min(raw.len());
        // Where in the chunk the run lies depends on the bytes before it alone.
        let room = (raw.len() - wanted) as u64;
        let begin = if room == 0 { 0 } else { ((survey.seed >> 16) % room) as usize };
        probe.clear();
        let piece_bytes = wanted.div_ceil(PROBE_PIECES);
        for piece in 0..PROBE_PIECES {
            let at = room as usize * piece / PROBE_PIECES + begin / PROBE_PIECES;
            probe.extend_from_slice(raw.get(at..(at + piece_bytes).min(raw.len())).unwrap_or_default());
        }
        encoder.encode(&probe, &mut stored)?;
        for byte in stored.iter().take(64).chain(first_key.as_bytes()) {
            survey.seed = (survey.seed ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        survey.chunks.push(ChunkFacts {
            first_key: first_key.clone(),
            raw_bytes: raw.len() as u64,
            promised_bytes: stored.len() as f64 / probe.len().max(1) as f64 * raw.len() as f64,
        });
        if survey.chunks.len() <= GROWTH_CHUNKS {
            for (block, records) in blocks(raw, record_count) {
                encoder.encode(block, &mut stored)?;
                survey.blocks.push((stored.len() as f64 / records as f64, block.len()));
            }
        }
        survey.record_count += u64::from(record_count);
        survey.raw_bytes += raw.len() as u64;
        survey.probed_bytes += probe.len() as u64;
        progress.advance(raw.len() as u64);
        Ok(())
    })?;
    Ok(survey)
}

/// Takes a pack of which only the size is wanted.
struct NoPacks;

impl PackSink for NoPacks {
    fn append(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn seal(&mut self, _: &PackEntry) -> Result<()> {
        Ok(())
    }
}

/// One codec at work.
struct Trial {
    setting: CodecSetting,
    encoder: Encoder,
    samples: Vec<Sample>,
    spent: Duration,
    /// Sums over chunks of the `log2` of how they grow, and how many were asked.
    growth: (f64, u32),
}

/// Chunks of which half is compressed too, to learn how the size grows with the length.
const GROWTH_CHUNKS: usize = 6;

/// Compresses the chunks that `choose` wants, and tells of all.
fn try_codecs(
    kind: SampleKind,
    source: &mut dyn ChunkSource,
    setting: &SampleSetting<'_>,
    progress: &dyn Progress,
) -> Result<(SampleReport, Survey)> {
    progress.begin("reading chunks", None);
    let mut training = Vec::new();
    let wants_dictionary =
        kind != SampleKind::Image && setting.codecs.iter().any(|codec| codec.codec() == Codec::Dictionary);
    let survey = survey(source, wants_dictionary.then_some(&mut training), progress);
    progress.end();
    let survey = survey?;
    let dictionary = train(training.iter().map(Vec::as_slice))?;
    drop(training);
    let chosen = choose(&survey.chunks, setting.percent, survey.seed);
    let mut trials = Vec::new();
    for codec in setting.codecs {
        trials.push(Trial {
            setting: *codec,
            encoder: Encoder::new(*codec)?,
            samples: Vec::with_capacity(chosen.len()),
            spent: Duration::ZERO,
            growth: (0.0, 0),
        });
    }
    // As `snapshot` does: `auto` takes only a dictionary that the namespace has already.
    for trial in trials.iter_mut().filter(|trial| trial.setting.codec() == Codec::Dictionary) {
        trial.encoder.set_dictionary(dictionary.as_ref())?;
    }
    let dictionary_bytes = dictionary.map(|made| write_dictionary(&made, &mut NoPacks)).transpose()?;
    let dictionary_bytes = dictionary_bytes.map_or(0, |pack| pack.stored_bytes);
    let (mut stored, mut sampled_bytes) = (Vec::new(), 0);
    progress.begin("compressing chunks", None);
    let outcome = source.each(Some(&chosen), &mut |index, _, raw, _| {
        sampled_bytes += raw.len() as u64;
        for trial in &mut trials {
            let begun = Instant::now();
            trial.encoder.encode(raw, &mut stored)?;
            trial.spent += begun.elapsed();
            let compressed_bytes = stored.len() as u64;
            if trial.samples.len() < GROWTH_CHUNKS && raw.len() >= 2 {
                trial.encoder.encode(raw.get(..raw.len() / 2).unwrap_or_default(), &mut stored)?;
                trial.growth.0 += (compressed_bytes as f64 / stored.len().max(1) as f64).log2();
                trial.growth.1 += 1;
            }
            trial.samples.push(Sample { index, compressed_bytes });
        }
        progress.advance(raw.len() as u64);
        Ok(())
    });
    progress.end();
    outcome?;
    let codecs = trials.into_iter().map(|trial| {
        let codec = trial.setting.codec();
        let mut bounds = extrapolate(&survey.chunks, &trial.samples, setting.percent, codec);
        if codec == Codec::Dictionary {
            for bytes in [&mut bounds.compressed_bytes, &mut bounds.low_bytes, &mut bounds.high_bytes] {
                *bytes = bytes.saturating_add(dictionary_bytes);
            }
        }
        let whole = survey.raw_bytes as f64 / sampled_bytes.max(1) as f64;
        CodecReport {
            codec,
            level: trial.setting.level(),
            bounds,
            compress_ms: thousandths(trial.spent.as_secs_f64() * whole * 1000.0),
            directory_bytes: 0,
            growth: trial.growth.0 / f64::from(trial.growth.1.max(1)),
        }
    });
    let report = SampleReport {
        kind,
        record_count: survey.record_count,
        raw_bytes: survey.raw_bytes,
        chunk_count: survey.chunks.len() as u64,
        sampled_chunk_count: chosen.len() as u64,
        sampled_bytes: sampled_bytes + survey.probed_bytes,
        codecs: codecs.collect(),
        spread: spread(&survey, setting.chunk_size),
    };
    Ok((report, survey))
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// Standard deviation of what a whole chunk compresses to, by its mean: as chunks differ, or as blocks within
/// the first ones do, whichever is more.
fn spread(survey: &Survey, chunk_size: ChunkSize) -> f64 {
    let rates = survey.chunks.iter().map(|chunk| chunk.promised_bytes / chunk.raw_bytes.max(1) as f64);
    let block_bytes = survey.blocks.iter().map(|(_, bytes)| *bytes as f64).sum::<f64>();
    let mean_block = block_bytes / survey.blocks.len().max(1) as f64;
    let of_blocks = deviation(survey.blocks.iter().map(|(rate, _)| *rate));
    deviation(rates).max(of_blocks * (mean_block / f64::from(chunk_size.bytes())).sqrt())
}

/// Standard deviation by mean.
fn deviation(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = numbers.clone().count();
    let mean = numbers.clone().sum::<f64>() / count.max(1) as f64;
    let squares: f64 = numbers.map(|number| (number - mean).powi(2)).sum();
    if count < 2 || mean <= 0.0 {
        return 0.0;
    }
    (squares / (count - 1) as f64).sqrt() / mean
}

impl SampleReport {
    /// The same for `wanted` entries of the sort of which the source has `have`.
    #[must_use]
    pub fn rescaled(mut self, have: u64, wanted: u64, chunk_size: ChunkSize) -> Self {
        for codec in &mut self.codecs {
            codec.bounds = estimate::rescale(
                codec.bounds,
                &estimate::Scale {
                    have,
                    wanted,
                    raw_bytes: self.raw_bytes,
                    chunk_bytes: chunk_size.bytes().into(),
                    spread: self.spread,
                    growth: codec.growth,
                },
            );
            let factor = wanted as f64 / have.max(1) as f64;
            codec.compress_ms = thousandths(codec.compress_ms * factor);
            codec.directory_bytes = (codec.directory_bytes as f64 * factor).round() as u64;
        }
        if have > 0 {
            let raw = u128::from(self.raw_bytes) * u128::from(wanted) / u128::from(have);
            self.raw_bytes = u64::try_from(raw).unwrap_or(u64::MAX);
        }
        self
    }
}
