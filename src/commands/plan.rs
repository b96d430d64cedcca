//! `dotctl plan`: what a design will come to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use dotctl_engine::estimate::Sizes;
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::plan::{
    Alternative, CACHES, CHECKPOINT_PROFILES, COMPACTION_PROFILES, CheckpointProfile, Claim,
    CompactionProfile, Design, Forecast, Measured, PackChoice, Partitioned, Partitioning, Partitions,
    TIERING_PROFILES, Target, TieringProfile, Trace, TraceReport, alternatives, claim, claim_as_made,
    forecasts, measure_files, pack_choices, recommend, recommend_partitioning,
};
use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::drive::trace_log;

use super::elapsed_ms;
use crate::cli::PlanArgs;
use crate::config::{Config, PlanDeclaration, suggestion};
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render;

/// The whole plan.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    pub design: Design,
    /// What one object's state amounts to today.
    pub raw_bytes: u64,
    pub compressed_bytes: u64,
    /// Every limit, the first to come first.
    pub forecasts: Vec<Forecast>,
    /// The hard limit that comes first; `null` if none ever does.
    pub first_limit: Option<Forecast>,
    pub alternatives: Vec<Alternative>,
    pub recommendation: Option<Recommendation>,
    pub packs: Vec<PackChoice>,
    pub claim: ClaimReport,
    pub profiles: Profiles,
    pub partitions: PartitionReport,
    pub files: FileReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceSection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    pub duration_ms: u64,
}

#[derive(Debug, Serialize)]
pub struct Recommendation {
    pub alternative: &'static str,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct ClaimReport {
    /// At 1,000 writes a second and 5 s, as it was made.
    pub as_made: Claim,
    /// At the design's rate and its profile's interval.
    pub of_design: Claim,
}

/// The profiles to choose from, with what each means for this design.
#[derive(Debug, Serialize)]
pub struct Profiles {
    pub checkpoint: Vec<CheckpointChoice>,
    pub compaction: [CompactionProfile; 3],
    pub tiering: Vec<TieringChoice>,
}

#[derive(Debug, Serialize)]
pub struct CheckpointChoice {
    #[serde(flatten)]
    pub profile: CheckpointProfile,
    pub chosen: bool,
    pub checkpoints_per_day: f64,
    /// What is lost at most where no Pipeline keeps the events.
    pub recovery_point_ms: f64,
}

#[derive(Debug, Serialize)]
pub struct TieringChoice {
    #[serde(flatten)]
    pub profile: TieringProfile,
    pub chosen: bool,
    /// Bytes of a day's writes that stay in an object.
    pub hot_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct PartitionReport {
    pub setting: Partitioning,
    /// The fleet's data, cut into partitions.
    pub fleet: Partitions,
    /// For scale: the post's 1,000 and 1,000,000 partitions.
    pub references: Vec<PartitionReference>,
}

#[derive(Debug, Serialize)]
pub struct PartitionReference {
    pub partitions: u64,
    pub data_bytes: u128,
    pub topology_bits: u128,
    pub topology_bytes: u128,
    /// Of as many promoted hash keys.
    pub filter_bytes: u64,
    pub filter_hashes: u32,
}

#[derive(Debug, Serialize)]
pub struct FileReport {
    pub events_per_day: f64,
    #[serde(flatten)]
    pub recommended: Partitioned,
    pub reason: &'static str,
    pub guidelines: Vec<Measured>,
}

#[derive(Debug, Serialize)]
pub struct TraceSection {
    pub log: String,
    pub malformed: u64,
    pub skipped: u64,
    pub recovery_point_ms: u64,
    pub memory_bytes: u64,
    #[serde(flatten)]
    pub report: TraceReport,
}

/// What loses nothing that a person would notice, unless told otherwise.
const RECOVERY_POINT_MS: u64 = 5_000;

/// Bytes that may wait for a checkpoint: the result and query buffers of the tuning guide's memory
/// budget leave a quarter of an isolate.
const MEMORY_BYTES: u64 = 32 << 20;

pub fn run(args: &PlanArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let config = Config::load(args.config.as_deref())?;
    let policy = config.as_ref().map_or(PlacementPolicy::BUDGET, |config| config.placement);
    let declared = config.map(|config| config.plan).unwrap_or_default();
    let mut design = design(args, &declared)?;
    let partitioning = partitioning(args, &declared);
    let trace = args.trace.as_deref().map(|log| trace(log, args, &design)).transpose()?;
    if let Some(trace) = &trace {
        learn(&mut design, args, &trace.report);
    }
    design.check()?;
    if let Some(path) = &args.html {
        refuse_existing(path, args.force)?;
    }
    let mut report = report(design, partitioning, trace, args, &policy);
    report.duration_ms = elapsed_ms(begun);
    if let Some(path) = args.html.as_deref().filter(|_| !args.dry_run) {
        write_page(path, &render::plan_page::page(&report)?, args.force)?;
        report.html = Some(path.display().to_string());
    }
    output.result(&report, || render::plan::show(&report, output.look))?;
    Ok(Exit::Done)
}

fn report(
    design: Design,
    partitioning: Partitioning,
    trace: Option<TraceSection>,
    args: &PlanArgs,
    policy: &PlacementPolicy,
) -> PlanReport {
    let Sizes { raw_bytes, compressed_bytes } = design.sizes_after(0.0);
    let forecasts = forecasts(&design, policy);
    // Thresholds move a checkpoint or warn; limits break something.
    let hard = ["object", "memory", "cache-hard", "restore-window", "state-rejected", "writes", "reads"];
    let first_limit = forecasts.iter().find(|one| one.days.is_some() && hard.contains(&one.limit)).cloned();
    let alternatives = alternatives(&design, policy);
    let recommendation = recommend(&alternatives, args.recovery_point_ms.map(|allowed| allowed as f64))
        .map(|(best, reason)| Recommendation { alternative: best.name, reason });
    let events_per_day = design.writes_per_day() * design.objects as f64;
    let recommended = recommend_partitioning(events_per_day, design.multi_tenant);
    let event_bytes = design.event_bytes();
    let checkpoint = CHECKPOINT_PROFILES.iter().map(|profile| CheckpointChoice {
        profile: *profile,
        chosen: *profile == design.profile,
        checkpoints_per_day: profile.per_day(design.writes_per_second, event_bytes) * design.active_percent
            / 100.0,
        recovery_point_ms: profile.recovery_point_ms(design.writes_per_second, event_bytes),
    });
    let bytes_per_ms = design.writes_per_second * event_bytes / 1000.0;
    let tiering = TIERING_PROFILES.iter().map(|profile| TieringChoice {
        profile: *profile,
        chosen: *profile == design.tiering,
        hot_bytes: ((bytes_per_ms * profile.hot_age_max_ms as f64).ceil() as u64).min(profile.hot_bytes_max),
    });
    let references = [1_000, 1_000_000].map(|partitions: u64| {
        let made = Partitioning { roots: partitions, promoted_keys: 0, ..partitioning };
        let made = made.of(u128::from(partitions) * u128::from(partitioning.partition_bytes));
        let filter = dotctl_engine::plan::Filter::of(partitions);
        PartitionReference {
            partitions,
            data_bytes: made.data_bytes,
            topology_bits: made.topology_bits,
            topology_bytes: made.topology_bytes,
            filter_bytes: filter.bytes,
            filter_hashes: filter.hashes,
        }
    });
    let interval_ms = design.profile.interval_ms;
    PlanReport {
        raw_bytes,
        compressed_bytes,
        forecasts,
        first_limit,
        alternatives,
        recommendation,
        packs: pack_choices(&design),
        claim: ClaimReport {
            as_made: claim_as_made(&design),
            of_design: claim(design.writes_per_second, design.entries, interval_ms),
        },
        profiles: Profiles {
            checkpoint: checkpoint.collect(),
            compaction: COMPACTION_PROFILES,
            tiering: tiering.collect(),
        },
        partitions: PartitionReport {
            setting: partitioning,
            fleet: partitioning.of(u128::from(raw_bytes) * u128::from(design.objects)),
            references: references.into(),
        },
        files: FileReport {
            events_per_day,
            recommended,
            reason: recommended.reason(),
            guidelines: measure_files(
                recommended,
                events_per_day,
                event_bytes,
                design.compaction.target_file_bytes,
            ),
        },
        trace,
        html: None,
        duration_ms: 0,
        design,
    }
}

/// The design: flags before the file, the file before what is usual.
fn design(args: &PlanArgs, declared: &PlanDeclaration) -> Result<Design> {
    let mut design = Design::default();
    macro_rules! number {
        ($($name:ident),*) => {
            $(design.$name = args.$name.or(declared.$name).unwrap_or(design.$name);)*
        };
    }
    macro_rules! choice {
        ($($name:ident: $what:literal of $all:ident),*) => {
            $(if let Some(wanted) = args.$name.as_ref().or(declared.$name.as_ref()) {
                design.$name = chosen($what, &$all, |one| one.name, wanted)?;
            })*
        };
    }
    number!(objects, operators, entries, key_bytes, value_bytes, compression_ratio);
    number!(growth_per_day, writes_per_second, reads_per_second, active_percent, changed_percent);
    number!(checkpoints_per_day, retention_days, restore_bytes_per_second, pack_bytes);
    choice!(
        profile: "checkpoint profile" of CHECKPOINT_PROFILES,
        compaction: "compaction profile" of COMPACTION_PROFILES,
        tiering: "tiering profile" of TIERING_PROFILES,
        cache: "cache" of CACHES
    );
    design.multi_tenant = args.multi_tenant || declared.multi_tenant.unwrap_or(design.multi_tenant);
    Ok(design)
}

/// The one of `all` that is called `wanted`.
fn chosen<T: Copy>(what: &str, all: &[T], name: impl Fn(&T) -> &'static str, wanted: &str) -> Result<T> {
    let names: Vec<&str> = all.iter().map(&name).collect();
    all.iter().find(|one| name(one) == wanted).copied().ok_or_else(|| {
        Error::malformed(format!("there is no {what} `{wanted}`")).hint(suggestion(wanted, &names))
    })
}

fn partitioning(args: &PlanArgs, declared: &PlanDeclaration) -> Partitioning {
    let usual = Partitioning::default();
    Partitioning {
        roots: args.root_partitions.or(declared.root_partitions).unwrap_or(usual.roots),
        fan_out: args.fan_out.or(declared.fan_out).unwrap_or(usual.fan_out),
        partition_bytes: args.partition_bytes.or(declared.partition_bytes).unwrap_or(usual.partition_bytes),
        promoted_keys: args.promoted_keys.or(declared.promoted_keys).unwrap_or(usual.promoted_keys),
    }
}

fn trace(log: &str, args: &PlanArgs, design: &Design) -> Result<TraceSection> {
    open::check_path(Path::new(log))?;
    let target = Target {
        recovery_point_ms: args.recovery_point_ms.unwrap_or(RECOVERY_POINT_MS),
        dirty_bytes_max: args.memory_bytes.unwrap_or(MEMORY_BYTES),
    };
    let mut model = Trace::new(design.cache, target);
    let source = trace_log(log, args.namespace.as_deref(), &mut |event| model.see(event))?;
    Ok(TraceSection {
        log: log.to_owned(),
        malformed: source.malformed,
        skipped: source.skipped,
        recovery_point_ms: target.recovery_point_ms,
        memory_bytes: target.dirty_bytes_max,
        report: model.finish(),
    })
}

/// What the log says takes the place of what is usual, not of what a flag says.
fn learn(design: &mut Design, args: &PlanArgs, trace: &TraceReport) {
    if args.writes_per_second.is_none() {
        design.writes_per_second = trace.events_per_second;
    }
    if args.entries.is_none() {
        design.entries = trace.keys;
    }
    if args.key_bytes.is_none() && args.value_bytes.is_none() {
        (design.key_bytes, design.value_bytes) = (0.0, trace.bytes as f64 / trace.events.max(1) as f64);
    }
}

fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    if force || !path.exists() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Exists, "there is a file of this name")
        .at(path.display().to_string())
        .hint("take another name, or replace it with --force"))
}

/// Old or new, never between.
fn write_page(path: &Path, page: &str, force: bool) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let failed = |error: &std::io::Error| dotctl_stores::io_error("write", path, error);
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(&folder)
        .map_err(|error| failed(&error))?;
    file.write_all(page.as_bytes()).map_err(|error| failed(&error))?;
    let placed = match force {
        true => file.persist(path).map(|_| ()).map_err(|error| error.error),
        false => file.persist_noclobber(path).map(|_| ()).map_err(|error| error.error),
    };
    placed.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(ErrorKind::Exists, "there is a file of this name now").at(path.display().to_string())
        }
        _ => failed(&error),
    })
}
