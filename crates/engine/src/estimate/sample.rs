//! From chunks that were compressed to a checkpoint that was not: which chunks to take, and what the
//! rest will be.
//!
//! Of every chunk a short run of its bytes is compressed first, its *probe*, which says about how large the chunk
//! becomes, and always by a similar factor too much. Chunks are then put in order of what their probes
//! promise for a byte, and cut into strata that promise equally many bytes; one chunk of each stratum
//! is compressed whole. So a few chunks that do not compress, in a part of the keys that nobody expects, are seen by
//! their probes and have a stratum. What a whole chunk takes for each byte that its probe promised holds for
//! its stratum. How far neighbouring strata differ says how far the sum may be off.

use crate::checkpoint::packed_bytes;
use crate::chunk::PackBorder;
use crate::codec::Codec;
use crate::format::RecordKey;

/// Fewest chunks that are compressed whole.
pub const CHUNKS_MIN: usize = 12;

/// The interval is never narrower than this share of the estimate, where not every chunk was
/// compressed: strata are few, and may agree by chance.
const RELATIVE_ERROR_MIN: f64 = 0.005;

/// Chunks that promise this much more than those before them are another sort of data, and begin a stratum.
const JUMP: f64 = 1.2;

/// Strata that begin so, at most.
const JUMPS_MAX: usize = 8;

/// One chunk of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkFacts {
    /// The first record's key, which decides where packs end.
    pub first_key: RecordKey,
    /// Bytes of the chunk.
    pub raw_bytes: u64,
    /// Compressed bytes that its probe promises for the whole of it.
    pub promised_bytes: f64,
}

/// A chunk that was compressed whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Which.
    pub index: usize,
    /// What it takes.
    pub compressed_bytes: u64,
}

/// A size and between which others it is, 19 times of 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Bounds {
    /// The size.
    pub compressed_bytes: u64,
    /// It is hardly less.
    pub low_bytes: u64,
    /// It is hardly more.
    pub high_bytes: u64,
}

/// Chunks that promise alike.
struct Stratum {
    indices: Vec<usize>,
    promised_bytes: f64,
}

fn strata(chunks: &[ChunkFacts], wanted: usize) -> Vec<Stratum> {
    let rate = |index: &usize| {
        chunks.get(*index).map_or(0.0, |chunk| chunk.promised_bytes / chunk.raw_bytes.max(1) as f64)
    };
    let mut order: Vec<usize> = (0..chunks.len()).collect();
    order.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.cmp(b)));
    let total: f64 = chunks.iter().map(|chunk| chunk.promised_bytes).sum();
    let mut strata: Vec<Stratum> = Vec::new();
    let empty = || Stratum { indices: Vec::new(), promised_bytes: 0.0 };
    let (mut done, mut jumps, mut open) = (0.0, 0, empty());
    for (place, index) in order.iter().enumerate() {
        let promised = chunks.get(*index).map_or(0.0, |chunk| chunk.promised_bytes);
        open.indices.push(*index);
        open.promised_bytes += promised;
        done += promised;
        let Some(next) = order.get(place + 1) else { break };
        let is_full = done * wanted as f64 >= total * (strata.len() + 1 - jumps) as f64;
        // As many chunks must be left as strata.
        let must_end = order.len() - place - 1 < wanted.saturating_sub(strata.len());
        let is_jump = jumps < JUMPS_MAX && rate(next) > rate(index) * JUMP;
        if is_jump || must_end || (is_full && strata.len() + 1 < wanted + jumps) {
            // What ends early is one stratum more; the others stay as large as they were to be.
            jumps += usize::from(is_jump && !is_full);
            strata.push(std::mem::replace(&mut open, empty()));
        }
    }
    if !open.indices.is_empty() {
        strata.push(open);
    }
    strata
}

/// Which chunks to compress whole: `percent` of them, at least [`CHUNKS_MIN`], in rising order. The same
/// chunks and `seed` always give the same.
pub fn choose(chunks: &[ChunkFacts], percent: f64, seed: u64) -> Vec<usize> {
    let wanted = ((chunks.len() as f64 * percent / 100.0).ceil() as usize).max(CHUNKS_MIN);
    if wanted >= chunks.len() {
        return (0..chunks.len()).collect();
    }
    let mut random = seed;
    let mut chosen: Vec<usize> = strata(chunks, wanted)
        .iter()
        .filter_map(|stratum| {
            // A step of a linear congruential generator (Knuth's MMIX) for each stratum.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (u128::from(random) * stratum.indices.len() as u128) >> 64;
            stratum.indices.get(place as usize).copied()
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// What a checkpoint of all `chunks` takes, packs' headers and indexes included, of which `samples` were
/// compressed: those that [`choose`] chose with the same `percent`.
pub fn extrapolate(chunks: &[ChunkFacts], samples: &[Sample], percent: f64, codec: Codec) -> Bounds {
    let sampled = |index: usize| {
        let place = samples.binary_search_by_key(&index, |sample| sample.index).ok()?;
        samples.get(place).map(|sample| sample.compressed_bytes)
    };
    let mut predicted: Vec<u64> = vec![0; chunks.len()];
    let mut half_width = 0.0;
    if samples.len() >= chunks.len() {
        for sample in samples {
            if let Some(bytes) = predicted.get_mut(sample.index) {
                *bytes = sample.compressed_bytes;
            }
        }
    } else {
        let wanted = ((chunks.len() as f64 * percent / 100.0).ceil() as usize).max(CHUNKS_MIN);
        let strata = strata(chunks, wanted);
        // Of each stratum: the bytes promised by chunks that were not compressed, and what a byte
        // promised by the one that was has become.
        let mut factors: Vec<(f64, f64)> = Vec::new();
        for stratum in &strata {
            let seen = stratum.indices.iter().find_map(|index| {
                let promised = chunks.get(*index)?.promised_bytes;
                Some((*index, promised, sampled(*index)? as f64))
            });
            let Some((seen, promised, actual)) = seen else { continue };
            let factor = actual / promised.max(1.0);
            factors.push((stratum.promised_bytes - promised, factor));
            for index in &stratum.indices {
                if let (Some(chunk), Some(bytes)) = (chunks.get(*index), predicted.get_mut(*index)) {
                    let own = if *index == seen { actual } else { chunk.promised_bytes * factor };
                    *bytes = own.round() as u64;
                }
            }
        }
        half_width = deviation(&factors);
    }
    let keys = chunks.iter().map(|chunk| &chunk.first_key).zip(predicted.iter().copied());
    let compressed_bytes = packed_bytes(codec, PackBorder::FOLDER, keys);
    if samples.len() < chunks.len() {
        half_width = half_width.max(compressed_bytes as f64 * RELATIVE_ERROR_MIN);
    }
    let half_width = half_width.ceil() as u64;
    let known: u64 = samples.iter().map(|sample| sample.compressed_bytes).sum();
    Bounds {
        compressed_bytes,
        low_bytes: compressed_bytes.saturating_sub(half_width).max(known.min(compressed_bytes)),
        high_bytes: compressed_bytes.saturating_add(half_width),
    }
}

/// Half the width of the 95 % interval: the differences of strata from their neighbours, which are those
/// most like them, and Student's t. Each difference holds the chance of two strata.
fn deviation(factors: &[(f64, f64)]) -> f64 {
    let square = |pair: &[(f64, f64)]| match pair {
        [first, second] => ((first.0 + second.0) / 2.0 * (first.1 - second.1)).powi(2),
        _ => 0.0,
    };
    // A stratum of which every chunk was compressed is in no doubt, and may be unlike its neighbours.
    let open: Vec<(f64, f64)> = factors.iter().copied().filter(|(left_bytes, _)| *left_bytes > 0.0).collect();
    let factors = if open.len() < 2 { factors } else { &open };
    let count = factors.len();
    if count < 2 {
        return f64::INFINITY;
    }
    let sum: f64 = factors.windows(2).map(square).sum();
    let variance = sum / 2.0 * count as f64 / (count - 1) as f64;
    // Differences overlap: two thirds of them are worth as many that do not.
    variance.sqrt() * student((count - 1) * 2 / 3)
}

/// Student's t for a two-sided interval of 95 %.
fn student(degrees: usize) -> f64 {
    const TABLE: [f64; 12] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];
    match degrees {
        0 => f64::INFINITY,
        1..=12 => TABLE.get(degrees - 1).copied().unwrap_or(2.179),
        13..=20 => 2.16,
        21..=40 => 2.08,
        _ => 2.02,
    }
}

/// `bounds` of `have` entries in `chunk_count` chunks, for `wanted` entries of the same sort.
/// `spread` is the standard deviation of chunks' sizes by their mean, and `growth` how fast a
/// chunk's compressed size grows with its length, as an exponent; both are measured.
pub fn rescale(bounds: Bounds, scale: &Scale) -> Bounds {
    let Scale { have, wanted, raw_bytes, chunk_bytes, spread, growth } = *scale;
    // A second half that compresses worse than the first makes it more than 1, by chance.
    let growth = if growth.is_finite() { growth.clamp(0.0, 1.0) } else { 1.0 };
    if have == wanted || have == 0 {
        return bounds;
    }
    let factor = wanted as f64 / have as f64;
    // Up to one chunk, its length decides how well it compresses; past that, the number of chunks.
    let length = |raw: f64| raw.min(chunk_bytes as f64).max(1.0);
    let (from, to) = (length(raw_bytes as f64), length(raw_bytes as f64 * factor));
    let longer = to / from;
    let sized = |exponent: f64| factor / longer * longer.powf(exponent);
    // A chunk's later bytes find more to refer to, so the exponent rises towards 1 and is never above.
    let (low_exponent, high_exponent) = ((growth - 0.06).max(0.0), (growth + 0.06).min(1.0));
    let chunks = (raw_bytes as f64 / chunk_bytes.max(1) as f64).max(f64::MIN_POSITIVE);
    let chunks_wanted = chunks * factor;
    // The chunks that there are and those that are wanted are drawn from the same, and differ by chance; entries
    // that come later may also differ by nature, of which nothing here can know.
    let chance = 2.1 * spread * (1.0 / chunks + 1.0 / chunks_wanted).sqrt() + 0.015;
    // zstd takes smaller tables, and searches them better, for less than 256 KiB.
    let tables = 0.012 * longer.log2().abs();
    let times = |bytes: u64, factor: f64| (bytes as f64 * factor).round() as u64;
    let (least, most) = (sized(low_exponent), sized(high_exponent));
    Bounds {
        compressed_bytes: times(bounds.compressed_bytes, sized(growth)),
        low_bytes: times(bounds.low_bytes, least.min(most) * (1.0 - chance).max(0.0)),
        high_bytes: times(bounds.high_bytes, least.max(most) * (1.0 + chance + tables)),
    }
}

/// What [`rescale`] needs to know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Entries that there are.
    pub have: u64,
    /// Entries that there will be.
    pub wanted: u64,
    /// Bytes of those that there are.
    pub raw_bytes: u64,
    /// Bytes that chunks aim at.
    pub chunk_bytes: u64,
    /// Standard deviation of what a whole chunk of entries compresses to, by its mean.
    pub spread: f64,
    /// `log2` of how much a chunk's compressed size grows when its length doubles.
    pub growth: f64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn chunks(promised: &[f64]) -> Vec<ChunkFacts> {
        let chunk = |(number, promised): (usize, &f64)| ChunkFacts {
            first_key: RecordKey::new(format!("{number:06}").as_bytes()).unwrap(),
            raw_bytes: 1 << 20,
            promised_bytes: *promised,
        };
        promised.iter().enumerate().map(chunk).collect()
    }

    fn run(chunks: &[ChunkFacts], actual: impl Fn(usize) -> u64, percent: f64, seed: u64) -> (Bounds, u64) {
        let chosen = choose(chunks, percent, seed);
        let samples: Vec<_> =
            chosen.iter().map(|index| Sample { index: *index, compressed_bytes: actual(*index) }).collect();
        let bounds = extrapolate(chunks, &samples, percent, Codec::Zstd);
        let sizes = (0..chunks.len()).map(&actual);
        let truth = packed_bytes(
            Codec::Zstd,
            PackBorder::FOLDER,
            chunks.iter().map(|chunk| &chunk.first_key).zip(sizes),
        );
        (bounds, truth)
    }

    #[test]
    fn a_few_chunks_that_do_not_compress_are_seen() {
        let promised: Vec<f64> =
            (0..200).map(|number| if number % 67 == 3 { 1_040_000.0 } else { 120_000.0 }).collect();
        let chunks = chunks(&promised);
        let actual =
            |index: usize| if index % 67 == 3 { 1_048_000 } else { 100_000 + (index as u64 % 7) * 300 };
        for seed in 0..50 {
            let (bounds, truth) = run(&chunks, actual, 2.0, seed);
            assert!((bounds.low_bytes..=bounds.high_bytes).contains(&truth), "{seed}: {truth} {bounds:?}");
            assert!(bounds.high_bytes - bounds.low_bytes < truth / 2, "{bounds:?}");
        }
    }

    #[test]
    fn few_chunks_are_all_compressed() {
        let chunks = chunks(&[1000.0; CHUNKS_MIN]);
        let (bounds, truth) = run(&chunks, |index| 900 + index as u64, 2.0, 7);
        assert_eq!((bounds.low_bytes, bounds.high_bytes), (truth, truth));
        let (none, truth) = run(&[], |_| 0, 2.0, 7);
        assert_eq!((none.compressed_bytes, truth), (0, 0));
    }

    #[test]
    fn strata_that_agree_leave_no_doubt() {
        assert!(deviation(&[(1.0, 1.0), (1.0, 1.0), (1.0, 9.0)]) > 1.0);
        assert_eq!(deviation(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]), 0.0);
    }

    proptest! {
        #[test]
        fn every_stratum_has_its_chunk(
            promised in prop::collection::vec(0.0..2e6_f64, 0..200),
            percent in 0.0..100.0_f64,
            seed: u64,
        ) {
            let chunks = chunks(&promised);
            let chosen = choose(&chunks, percent, seed);
            prop_assert!(chosen.len() >= CHUNKS_MIN.min(chunks.len()));
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            let (bounds, _) = run(&chunks, |index| promised[index] as u64, percent, seed);
            prop_assert!(bounds.low_bytes <= bounds.compressed_bytes);
            prop_assert!(bounds.compressed_bytes <= bounds.high_bytes);
        }
    }
}
