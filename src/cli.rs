//! The command line's words: clap types and nothing else.
// Doc comments here are read in a terminal, where `<class>` is no tag.
#![allow(rustdoc::invalid_html_tags)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use dotctl_engine::codec::Codec;
use dotctl_engine::id::Namespace;
use dotctl_engine::tag::Tag;

use crate::duration::parse_span;
use crate::size::parse_size;

/// Checkpoints of Cloudflare Durable Objects: get the bytes out, prove that they restore, bring
/// them back.
#[derive(Debug, Parser)]
#[command(name = "dotctl", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  dotctl snapshot .wrangler/state/v3/do          a checkpoint of every local object
  dotctl verify                                  read everything back and prove it
  dotctl restore latest --to restored.sqlite     the newest one as a database file

Exit codes: 0 done · 1 a check found something · 2 wrong usage or malformed input ·
3 could not finish (I/O, permission, missing, target exists) · 130 interrupted";

#[derive(Debug, Args)]
pub struct Global {
    /// What stdout speaks: text for people, or one JSON object
    #[arg(long, global = true, value_enum, default_value = "human", value_name = "FORMAT")]
    pub format: Format,
    /// Print the result and errors, nothing else
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Draw no progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Colour in what people read; NO_COLOR is heeded
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: When,
    /// Say more on stderr about what is being done
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Human,
    Json,
    /// Workflow annotations and a step summary; for `budget`
    #[value(hide = true)]
    Github,
    /// A comment for a pull request; for `budget`
    #[value(hide = true)]
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Where checkpoints are kept: a folder, made by the first snapshot, an object's database, or
    /// s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket
    /// that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object,
    /// https://HOST/PATH/objects/NAME
    #[arg(
        long,
        env = "DOTCTL_STORE",
        hide_env_values = true,
        value_name = "STORE",
        default_value = "./.dotctl"
    )]
    pub store: String,
    /// The second store, which holds what is too large for the first one
    #[arg(long, value_name = "STORE")]
    pub overflow: Option<String>,
    #[command(flatten)]
    pub key: IdentityArgs,
    #[command(flatten)]
    pub bucket: BucketArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub struct IdentityArgs {
    /// A file with the age identity that opens sealed checkpoints; may be given several times
    #[arg(long, env = "DOTCTL_IDENTITY", hide_env_values = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
}

/// Where `--help` lists what only buckets need. Each option names it: a heading of the whole group would be that of
/// every option after it, too.
const BUCKET_HEADING: &str = "Options for buckets";

#[derive(Debug, Clone, Args)]
pub struct BucketArgs {
    /// Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon's; for r2://
    /// the one of R2_ACCOUNT_ID]
    #[arg(long, value_name = "URL", help_heading = BUCKET_HEADING)]
    pub endpoint_url: Option<String>,
    /// The bucket's region [default: as the AWS tools find it; for r2:// auto]
    #[arg(long, value_name = "NAME", help_heading = BUCKET_HEADING)]
    pub region: Option<String>,
    /// Begin no more requests than this within a second
    #[arg(long, value_name = "N", help_heading = BUCKET_HEADING)]
    pub max_requests_per_second: Option<std::num::NonZeroU32>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Capture a database, a state snapshot or a folder of objects as checkpoints
    Snapshot(SnapshotArgs),
    /// Write a checkpoint back as the database or state it was made of
    Restore(RestoreArgs),
    /// Copy a checkpoint into another store, verified on both sides
    Copy(CopyArgs),
    /// Read checkpoints, manifests or files back and tell everything that is wrong
    Verify(VerifyArgs),
    /// List checkpoints, newest first
    List(ListArgs),
    /// Show what a checkpoint's manifest says
    Show(ShowArgs),
    /// Print one entry of a checkpoint
    Get(GetArgs),
    /// Tell what differs between two checkpoints
    Diff(DiffArgs),
    /// Give a checkpoint a name, or take one away
    Tag(TagArgs),
    /// Remove the checkpoints that no rule keeps, and what only they need
    Prune(PruneArgs),
    /// Rewrite a checkpoint that lies in several runs of changes as one full run
    Compact(CompactArgs),
    /// Tell what is in a database, a state snapshot, a folder of objects or a store
    Inspect(InspectArgs),
    /// Tell how large a checkpoint will be, where it will go, and whether that is within budget
    Estimate(EstimateArgs),
    /// Check what dotctl.toml declares against its budgets
    Budget(BudgetArgs),
    /// Plan a design or a fleet: days until each limit, monthly cost, what a stop loses
    Plan(Box<PlanArgs>),
    /// Make a local image of event logs, or bring one up to date
    Replay(ReplayArgs),
    /// Print the completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, of dotctl or of one command
    Man(ManArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl snapshot object.sqlite                       one object's database, in use or not
  dotctl snapshot state.json.gz --namespace counters  a state snapshot, array or NDJSON
  producer | dotctl snapshot - --namespace counters   the same from a pipe
  dotctl snapshot .wrangler/state/v3/do --dry-run     what would be captured
  dotctl snapshot object.sqlite --store r2://backups/counters
  dotctl snapshot object.sqlite --store s3://backups --endpoint-url http://127.0.0.1:9000
  dotctl snapshot https://worker.example/objects/lobby    a live object, by its worker's door
  dotctl snapshot object.sqlite --encrypt age1… --identity key.txt
                                                      sealed; with the key only changes are stored

A bucket's credentials are found as the AWS tools find them: AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, or a profile. For r2:// R2_ACCOUNT_ID names the account. A live object wants
the token of its worker, in DOTCTL_TOKEN.")]
pub struct SnapshotArgs {
    /// A database file, a state snapshot (`-` is stdin), a folder of local objects, or a live object,
    /// https://HOST/PATH/objects/NAME
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Whose state it is [default: <class>/<object id> for an object, else the file's name]
    #[arg(long, value_name = "NS", value_parser = |text: &str| Namespace::new(text))]
    pub namespace: Option<Namespace>,
    /// How a database is captured
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// How chunks are compressed: zstd, gzip or none; columnar and zstd-dictionary, which need more than
    /// zstd to be read without dotctl, or auto, the smallest of them for each chunk. A full checkpoint is made
    /// where the newest one has another [default: zstd]
    #[arg(long, value_name = "CODEC")]
    pub codec: Option<Codec>,
    /// The codec's level [default: zstd 1 for state and 2 for databases, gzip 6]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub level: Option<i32>,
    /// Raw size that chunks aim at, 64KiB to 4MiB
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    pub chunk_bytes: u64,
    /// Where in an object checkpoints are put, with an object's database as the store
    #[arg(long, value_enum, default_value = "sqlite", value_name = "BACKEND")]
    pub object_backend: ObjectBackend,
    /// With --overflow, what decides where a checkpoint goes [default: dotctl.toml's, else budget]
    #[arg(long, value_enum, value_name = "RULE", requires = "overflow")]
    pub placement: Option<PlacementRule>,
    /// The project's settings, of which the tables "snapshot" and "placement" count here [default:
    /// ./dotctl.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read the packs that a bucket holds already, and replace those that are damaged; a folder's and an
    /// object's are always read
    #[arg(long)]
    pub repair: bool,
    /// What to build on, so that only changes are stored: auto (the namespace's newest checkpoint, where
    /// that pays), none, or a REF
    #[arg(long, default_value = "auto", value_name = "BASE")]
    pub base: Base,
    /// Seal the checkpoint, so that only this age recipient can read it: age1…, or a file of recipients; may be
    /// given several times
    #[arg(long, value_name = "RECIPIENT")]
    pub encrypt: Vec<String>,
    /// Let it lie open although the newest checkpoint of its namespace is sealed
    #[arg(long, conflicts_with = "encrypt")]
    pub no_encrypt: bool,
    /// Make a full checkpoint once the changes take more than this share of the last full one [default:
    /// dotctl.toml's, else 0.5]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, allow_negative_numbers = true)]
    pub compact_share: Option<f64>,
    /// Join the newest changes once there are as many runs of them, 1 to 16 [default: dotctl.toml's, else 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub compact_runs: Option<u8>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A database's pages, exact
    Image,
    /// A database's schema and rows, whatever its pages: what changed is smaller, a restore slower
    Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlacementRule {
    /// In the object below 500 MiB of raw state, in the second store from there, refused above 2 GiB
    Budget,
    /// In the object below 1 MiB of compressed state, in the second store from there
    Hybrid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectBackend {
    /// Tables of their own, for SQLite-backed objects
    Sqlite,
    /// Entries of the key-value storage, which KV-backed objects have
    Kv,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// On the newest checkpoint of the namespace where that pays
    Auto,
    /// On nothing
    None,
    /// On the checkpoint with this REF
    Of(String),
}

impl std::str::FromStr for Base {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Base::Auto,
            "none" => Base::None,
            reference => Base::Of(reference.to_owned()),
        })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl restore latest --to restored.sqlite
  dotctl restore Counter/4f2a…@latest --to object.sqlite
  dotctl restore 3f9c --to - --as ndjson | head
  dotctl restore latest --to users.json --key-prefix user:
  dotctl restore latest --to object.sqlite --store r2://backups/counters
  dotctl restore latest --to https://worker.example/objects/lobby --force

REF is an id, a unique prefix of one (4 digits or more), a tag, `latest`, NAMESPACE@latest, or
NAMESPACE@TIME: the newest at or before that time.")]
pub struct RestoreArgs {
    /// Which checkpoint
    #[arg(value_name = "REF")]
    pub reference: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// The file to write; `-` is stdout. A live object, https://HOST/PATH/objects/NAME, takes
    /// checkpoints of rows
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    /// What to write: state as one JSON array or a line an entry, an image as a database
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Option<Form>,
    /// Write only what has keys that begin so, of state or rows; only the chunks with such keys are read
    #[arg(long, value_name = "P")]
    pub key_prefix: Option<String>,
    /// Replace the target if it exists
    #[arg(long)]
    pub force: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// State as one compact JSON array
    Json,
    /// State as one entry a line
    Ndjson,
    /// A database file
    Sqlite,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl copy latest --to-store /mnt/backup/checkpoints
  dotctl copy Counter/4f2a…@latest --store .dotctl --to-store /mnt/backup/checkpoints
  dotctl copy latest --to-store object.sqlite --to-overflow r2://backups/counters
  dotctl copy latest --to-store object.sqlite --to-layout chunked     as TypeScript writes it

The copy has the same id, packs and hashes. A checkpoint that is there already is only verified.
One that TypeScript wrote becomes a new checkpoint of the state or database that it holds.

With --to-layout TypeScript's code reads the copy, and `dotctl restore ID` gives the bytes that
`dotctl restore REF` gives; its id is that of the original. Records go into an object's database or a
JSON file (--to-store), objects into a bucket or a folder that stands for one: --to-overflow for
hybrid and manager, or --to-store for manager alone.")]
pub struct CopyArgs {
    /// Which checkpoint
    #[arg(value_name = "REF")]
    pub reference: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where to: a folder, made if it is not there, an object's database, or a bucket
    #[arg(long, value_name = "STORE")]
    pub to_store: String,
    /// The second store there, for what is too large for the first one
    #[arg(long, value_name = "STORE")]
    pub to_overflow: Option<String>,
    /// How the copy is laid out: as dotctl's own checkpoints, or as TypeScript writes them
    #[arg(long, value_enum, default_value = "dotctl", value_name = "LAYOUT")]
    pub to_layout: ToLayout,
    /// Where in an object checkpoints are put, with an object's database as the other store; in
    /// TypeScript's layouts, what its storage takes under one key
    #[arg(long, value_enum, default_value = "sqlite", value_name = "BACKEND")]
    pub object_backend: ObjectBackend,
    /// With --to-overflow, what decides where the copy goes [default: dotctl.toml's, else budget]
    #[arg(long, value_enum, value_name = "RULE", requires = "to_overflow")]
    pub placement: Option<PlacementRule>,
    /// The project's settings, of which the table "placement" counts here [default: ./dotctl.toml]
    #[arg(long, value_name = "FILE", requires = "to_overflow")]
    pub config: Option<PathBuf>,
    /// Read the packs that a bucket holds already, and replace those that are damaged; a folder's and an
    /// object's are always read
    #[arg(long)]
    pub repair: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ToLayout {
    /// dotctl's own checkpoints
    Dotctl,
    /// A manifest and chunks, all in the object
    Chunked,
    /// Below 1 MiB compressed in the object, from there in the bucket
    Hybrid,
    /// A delta on the chain that is there; else a base in chunks, and a delta that changes nothing
    Incremental,
    /// A checkpoint manager's snapshot in a bucket, with its record if an object is named
    Manager,
    /// A state backend's snapshot: one record, not compressed
    StateSnapshot,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dotctl verify                        the whole store: hashes, decoding, content
  dotctl verify --quick                stored hashes only
  dotctl verify latest
  dotctl verify state.json --checksum murmur3:9a7c21f
  dotctl verify --store s3://backups/counters --max-requests-per-second 50

Exits 1 if anything is wrong; every finding is reported, not only the first.")]
pub struct VerifyArgs {
    /// Checkpoints (REF), manifest files, databases, a live object, or any files with --checksum
    /// [default: all]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Take the stored packs' hashes and decode nothing
    #[arg(long)]
    pub quick: bool,
    /// What the file must hash to: sha256:HEX or murmur3:HEX (MurmurHash3 x86 32, seed 0)
    #[arg(long, value_name = "ALGO:HEX", requires = "targets", conflicts_with = "quick")]
    pub checksum: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl list
  dotctl list --namespace counters --format json | jq '.checkpoints[0].id'")]
pub struct ListArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Only this namespace's
    #[arg(long, value_name = "NS", value_parser = |text: &str| Namespace::new(text))]
    pub namespace: Option<Namespace>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl show latest
  dotctl show latest --packs | xargs cat | zstd -d > restored.sqlite   without any dotctl")]
pub struct ShowArgs {
    /// Which checkpoint
    #[arg(value_name = "REF")]
    pub reference: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print the stored packs in order, a path a line
    #[arg(long)]
    pub packs: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl get latest user:42
  dotctl get counters@latest user:42 --format json | jq .value

From a state checkpoint the entry is printed as it was captured, from an image the value that the
object stored under the key; docs/VALUES.md says how values beyond JSON are spelled.")]
pub struct GetArgs {
    /// Which checkpoint
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The entry's key
    #[arg(value_name = "KEY")]
    pub key: String,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl diff Counter/4f2a…@2026-11-20T00:00:00Z Counter/4f2a…@latest
  dotctl diff 3f9c latest --as ndjson | jq -r .key
  dotctl diff 3f9c latest --changeset changes.sql     SQL that makes B of A
  dotctl diff 3f9c latest --pages                     the pages that differ

State is compared entry by entry, databases row by row, whether their checkpoints are of kind rows or
image. Exits 1 if they differ.")]
pub struct DiffArgs {
    /// The checkpoint before: a REF
    #[arg(value_name = "A")]
    pub old: String,
    /// The checkpoint after: a REF in the same store
    #[arg(value_name = "B")]
    pub new: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Compare two images page by page
    #[arg(long)]
    pub pages: bool,
    /// Print every change as a line of JSON, with its old and its new value
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Option<DiffForm>,
    /// Show this many changes [default: 20, with --format json 1000]
    #[arg(long, value_name = "N", conflicts_with = "form")]
    pub limit: Option<u64>,
    /// Write what makes B of A: SQL in one transaction for rows, a line for each entry to put or to delete
    /// for state; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub changeset: Option<PathBuf>,
    /// Replace the changeset's file if it exists
    #[arg(long, requires = "changeset")]
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffForm {
    /// One change a line
    Ndjson,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl tag latest before-migration
  dotctl restore before-migration --to object.sqlite
  dotctl tag before-migration before-migration --remove

Several checkpoints may have one tag. A tag that one of them has is a REF; if several namespaces have
it, NAMESPACE@TAG is.")]
pub struct TagArgs {
    /// Which checkpoint
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The name: not `latest`, no `@`, nothing that looks like an id or a time
    #[arg(value_name = "NAME")]
    pub name: Tag,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Take the name away
    #[arg(long)]
    pub remove: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl prune --keep-last 10 --dry-run
  dotctl prune --keep-hourly 24 --keep-daily 7 --keep-weekly 4 --keep-monthly 12
  dotctl prune --keep-within 30d --keep-tag release --namespace counters
  dotctl prune --keep-daily 30 --store r2://backups/counters

Each namespace by itself. What one rule keeps is kept, and the newest checkpoint of a namespace always.
Newest is the largest sequence, not the latest clock. Hours, days, weeks (from Monday) and months
are those of UTC. DURATION: 90min, 36h, 7d, 2w, 1y, or several together.")]
pub struct PruneArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Only this namespace's
    #[arg(long, value_name = "NS", value_parser = |text: &str| Namespace::new(text))]
    pub namespace: Option<Namespace>,
    /// Keep the newest N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_last: u32,
    /// Keep the newest of each of the newest N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_hourly: u32,
    /// The same for days
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_daily: u32,
    /// The same for weeks
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_weekly: u32,
    /// The same for months
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub keep_monthly: u32,
    /// Keep what is at most this much older than the newest
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    pub keep_within: Option<Duration>,
    /// Keep what has this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    pub keep_tag: Vec<Tag>,
    /// How long a pack without a checkpoint is left alone, since a writer may be about to name it;
    /// in a bucket at least 1h
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_span)]
    pub grace: Duration,
    /// Say what would go and what it would free, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl compact counters@latest
  dotctl compact latest --dry-run

The checkpoint keeps its namespace, its place in the history, its time, its tags and its content; its id
is a new one, since its manifest is. The old one goes once the new one is there. A snapshot does without this:
it makes a full checkpoint by itself where --compact-share and --compact-runs say so.")]
pub struct CompactArgs {
    /// Which checkpoint
    #[arg(value_name = "REF")]
    pub reference: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Raw size that chunks aim at, 64KiB to 4MiB
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    pub chunk_bytes: u64,
    /// Where in an object checkpoints are put, with an object's database as the store
    #[arg(long, value_enum, default_value = "sqlite", value_name = "BACKEND")]
    pub object_backend: ObjectBackend,
    /// How long a pack without a checkpoint is left alone; in a bucket at least 1h
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_span)]
    pub grace: Duration,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl inspect object.sqlite
  dotctl inspect .wrangler/state/v3/do
  dotctl inspect state.ndjson.zst
  dotctl inspect .dotctl
  dotctl inspect r2://backups/counters
  dotctl inspect https://worker.example/objects/lobby    as its newest checkpoint shows it
  dotctl inspect object.sqlite --format json | jq '.limits[] | select(.status != \"ok\")'

A live object that has no checkpoint makes one. Exits 1 if a database or a store is damaged. What is
near or past a limit is marked and changes nothing about the exit code.")]
pub struct InspectArgs {
    /// A database, a state snapshot (`-` is stdin), a folder of local objects, a store: a folder,
    /// s3://BUCKET/PREFIX or r2://BUCKET/PREFIX, or a live object, https://HOST/PATH/objects/NAME
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
    #[command(flatten)]
    pub key: IdentityArgs,
    #[command(flatten)]
    pub bucket: BucketArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl replay events/ --into image.sqlite            everything below a folder
  dotctl replay 'events/**/*.json.gz' --into image.sqlite --namespace tenant-42
  dotctl replay events/ --into yesterday.sqlite --until 2026-01-13T14:00:00Z
  dotctl replay s3://logs/events --into image.sqlite
  dotctl replay events/ --check image.sqlite           what differs from the log (exit 1)

An image that is there is brought up to date: what it has already is not applied again.
docs/REPLAY.md says which events are read and what they mean.")]
pub struct ReplayArgs {
    /// Event logs: NDJSON, JSON arrays, write-ahead segments, change batches, Parquet; also .gz and
    /// .zst. Files, folders, patterns, s3://BUCKET/PREFIX, or `-` for stdin
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<String>,
    /// The image: a SQLite database, made if it is not there
    #[arg(long, value_name = "IMAGE", required_unless_present = "check")]
    pub into: Option<PathBuf>,
    /// Only this namespace's events
    #[arg(long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Only events up to this time: RFC 3339 or Unix milliseconds
    #[arg(long, value_name = "TIME")]
    pub until: Option<dotctl_engine::id::Time>,
    /// Types with fewer entities than this are one row [default: the image's, else 50]
    #[arg(long, value_name = "N")]
    pub columnar_threshold: Option<u64>,
    /// Take an update without `isDelta` for a delta too
    #[arg(long)]
    pub merge_updates: bool,
    /// Begin a new image with this checkpoint of an earlier one
    #[arg(long, value_name = "REF", requires = "into", conflicts_with = "check")]
    pub from: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Compare this image with the log, and change nothing
    #[arg(long, value_name = "IMAGE", conflicts_with = "into")]
    pub check: Option<PathBuf>,
    /// Stop at the first thing that is no event, and leave the image as it was
    #[arg(long)]
    pub strict: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl estimate --entries 10000 --key-bytes 12 --value-bytes 50
  dotctl estimate --entries 10000 --key-bytes 12 --value-bytes 50 --operator counters
  dotctl estimate --entries 2000 --key-bytes 20 --value-bytes 900 --backend kv
  dotctl estimate --sample state.ndjson.zst
  dotctl estimate --sample object.sqlite --entries 2000000

Without --sample the numbers are the formula's of the profile spike-2026-01, which assumes JSON that
compresses to a tenth. With it, chunks of real data are compressed, and the answer is an interval.

Exits 1 if --operator is given and its budget is exceeded.")]
pub struct EstimateArgs {
    /// Entries in the state [default with --sample: as many as the source has]
    #[arg(long, value_name = "N", required_unless_present = "sample")]
    pub entries: Option<u64>,
    /// Mean bytes of a key
    #[arg(long, value_name = "K", value_parser = parse_mean, required_unless_present = "sample")]
    pub key_bytes: Option<f64>,
    /// Mean bytes of a value
    #[arg(long, value_name = "V", value_parser = parse_mean, required_unless_present = "sample")]
    pub value_bytes: Option<f64>,
    /// Compressed bytes by raw ones [default: 0.1]
    #[arg(long, value_name = "R", conflicts_with = "sample")]
    pub compression_ratio: Option<f64>,
    /// What keeps the object's storage
    #[arg(long, value_enum, default_value = "sqlite", value_name = "BACKEND")]
    pub backend: ObjectBackend,
    /// Real data: a database, a state snapshot, an event log, or `-`; some of its chunks are compressed
    /// as a checkpoint would
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["key_bytes", "value_bytes"])]
    pub sample: Option<PathBuf>,
    /// With --sample, raw size that the checkpoint's chunks aim at
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size, requires = "sample")]
    pub chunk_bytes: u64,
    /// With --sample, how much of the source is compressed, in percent; never less than 12 chunks
    #[arg(long, value_name = "P", default_value_t = 2.0, requires = "sample")]
    pub sample_percent: f64,
    /// The operator whose budget counts: counters, windowed, join, pattern, or one of dotctl.toml's
    #[arg(long, value_name = "KIND")]
    pub operator: Option<String>,
    /// The project's settings: placement and budgets [default: ./dotctl.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A share of something: a number of 0 or more.
fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("a share is a number of 0 or more, as in 0.5".to_owned()),
    }
}

/// A mean number of bytes: a size, or a number with decimals.
fn parse_mean(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        Ok(_) => Err("a mean size is a number of 0 or more".to_owned()),
        Err(_) => parse_size(text).map(|bytes| bytes as f64),
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl budget
  dotctl budget --format json > budget.json
  dotctl budget --baseline budget.json --max-growth 10
  dotctl budget --baseline Counter@2026-11-01T00:00:00Z
  dotctl budget --format github       in a workflow: annotations and a step summary
  dotctl budget --format markdown     a comment for a pull request

docs/CI.md shows a dotctl.toml and a workflow. Exits 1 if a budget is exceeded or anything grew by
more than it may.")]
pub struct BudgetArgs {
    /// What to check [default: ./dotctl.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to compare with: what an earlier `budget --format json` printed, or a checkpoint whose namespace
    /// is an object's name
    #[arg(long, value_name = "REF|FILE")]
    pub baseline: Option<String>,
    /// Fail if anything grew by more than this since the baseline, in percent [default: dotctl.toml's]
    #[arg(long, value_name = "PERCENT", requires = "baseline")]
    pub max_growth: Option<f64>,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl plan                                    what dotctl.toml says under [plan]
  dotctl plan --objects 1000 --entries 20000 --growth-per-day 500 --writes-per-second 5
  dotctl plan --profile performance --compaction aggressive --tiering realtime
  dotctl plan --trace events.ndjson.gz --recovery-point-ms 2000
  dotctl plan --html plan.html

Numbers are of one object, unless they say otherwise. Flags count before dotctl.toml. The platform's
numbers and prices are those of 2026-11-21; a month has 30 days.")]
pub struct PlanArgs {
    /// The project's settings, of which the tables "plan" and "placement" count [default: ./dotctl.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Objects in the fleet [default: 1]
    #[arg(long, value_name = "N")]
    pub objects: Option<u64>,
    /// Operators, or collections, in an object [default: 1]
    #[arg(long, value_name = "N")]
    pub operators: Option<u64>,
    /// Entries in an object today [default: 10000]
    #[arg(long, value_name = "N")]
    pub entries: Option<u64>,
    /// Mean bytes of a key [default: 12]
    #[arg(long, value_name = "K", value_parser = parse_mean)]
    pub key_bytes: Option<f64>,
    /// Mean bytes of a value [default: 50]
    #[arg(long, value_name = "V", value_parser = parse_mean)]
    pub value_bytes: Option<f64>,
    /// Compressed bytes by raw ones [default: 0.1]
    #[arg(long, value_name = "R")]
    pub compression_ratio: Option<f64>,
    /// Entries that come every day [default: 0]
    #[arg(long, value_name = "N")]
    pub growth_per_day: Option<f64>,
    /// Writes a second while an object is active [default: 1]
    #[arg(long, value_name = "N")]
    pub writes_per_second: Option<f64>,
    /// Reads a second while an object is active [default: 0]
    #[arg(long, value_name = "N")]
    pub reads_per_second: Option<f64>,
    /// How much of the time an object is active, in percent [default: 100]
    #[arg(long, value_name = "P")]
    pub active_percent: Option<f64>,
    /// Entries that change between two kept checkpoints, in percent [default: 10]
    #[arg(long, value_name = "P")]
    pub changed_percent: Option<f64>,
    /// Checkpoints kept for a while, a day [default: 24]
    #[arg(long, value_name = "N")]
    pub checkpoints_per_day: Option<f64>,
    /// For how many days they are kept [default: 7]
    #[arg(long, value_name = "DAYS")]
    pub retention_days: Option<f64>,
    /// Raw bytes that a restore in the object brings back in a second, an assumption [default: 20MB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub restore_bytes_per_second: Option<u64>,
    /// Bytes of a pack in R2 [default: 8MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub pack_bytes: Option<u64>,
    /// When lazy checkpoints are made: frequent, balanced or performance [default: balanced]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// When deltas are merged: aggressive, balanced or conservative [default: balanced]
    #[arg(long, value_name = "PROFILE")]
    pub compaction: Option<String>,
    /// What stays in the object: realtime, balanced or analytics [default: balanced]
    #[arg(long, value_name = "PROFILE")]
    pub tiering: Option<String>,
    /// Whose limits the actor cache has: server-2026-11 or spike-2026-01 [default: server-2026-11]
    #[arg(long, value_name = "PROFILE")]
    pub cache: Option<String>,
    /// One data set holds many tenants
    #[arg(long)]
    pub multi_tenant: bool,
    /// Root partitions of the data set, where it is cut up [default: 10]
    #[arg(long, value_name = "N")]
    pub root_partitions: Option<u64>,
    /// Children of a partition that is split [default: 10]
    #[arg(long, value_name = "N")]
    pub fan_out: Option<u64>,
    /// Bytes from which a partition is split [default: 500MB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub partition_bytes: Option<u64>,
    /// Hash keys with a partition of their own [default: 0]
    #[arg(long, value_name = "N")]
    pub promoted_keys: Option<u64>,
    /// Take only what loses no more than this when an object stops
    #[arg(long, value_name = "MS")]
    pub recovery_point_ms: Option<u64>,
    /// A log of events, run through a model of checkpointer and cache in place of assumed rates: a file, a folder,
    /// a pattern, or `-`, as for replay
    #[arg(long, value_name = "LOG")]
    pub trace: Option<String>,
    /// With --trace, only events of this namespace
    #[arg(long, value_name = "NS", requires = "trace")]
    pub namespace: Option<String>,
    /// With --trace, most bytes that may wait for a checkpoint [default: 32MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "trace")]
    pub memory_bytes: Option<u64>,
    /// Write a page with charts, complete in itself
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace the page if it exists
    #[arg(long, requires = "html")]
    pub force: bool,
    /// Write no page
    #[arg(long, requires = "html")]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl completions bash > ~/.local/share/bash-completion/completions/dotctl
  dotctl completions fish > ~/.config/fish/completions/dotctl.fish")]
pub struct CompletionsArgs {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dotctl man | man -l -
  dotctl man snapshot > dotctl-snapshot.1")]
pub struct ManArgs {
    /// A command, for its own page
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}
