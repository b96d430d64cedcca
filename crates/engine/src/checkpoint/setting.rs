//! How a checkpoint is compressed unless somebody says otherwise.

use crate::codec::{Codec, CodecSetting};
use crate::error::Result;
use crate::format::CheckpointKind;

/// `codec` at `level`, or at the level that suits the kind of checkpoint.
///
/// zstd, in chunks of 1 MiB on 2026-11-21 (`docs/BENCHMARKS.md`): of state as JSON level 1 makes
/// less than level 2 or 3, and faster. Of a database's pages level 2 makes what level 3 makes, at
/// a third more speed, and 3 % less than level 1. gzip's is its own default.
pub fn codec_setting(kind: CheckpointKind, codec: Codec, level: Option<i32>) -> Result<CodecSetting> {
    let default = match (codec, kind) {
        (Codec::Gzip, _) => 6,
        (Codec::None, _) => 0,
        (_, CheckpointKind::State | CheckpointKind::Rows) => 1,
        (_, CheckpointKind::Image) => 2,
    };
    CodecSetting::new(codec, level.unwrap_or(default))
}
