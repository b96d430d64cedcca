//! What the tests of faults share: the built binary, folders to work in, strace.

#![allow(dead_code, reason = "every test file uses its part")]

pub mod changing;
pub mod replayed;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// The built binary, with nothing of this shell's settings.
pub fn dotctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dotctl"));
    clean(&mut command);
    command
}

/// Takes from `command` what would change how dotctl behaves.
pub fn clean(command: &mut Command) {
    command
        .env_remove("DOTCTL_STORE")
        .env_remove("DOTCTL_IDENTITY")
        .env_remove("NO_COLOR")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Ran {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// The one JSON object on stdout.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Ended with `code`, nothing on stdout, and one error line of a few words, without a panic.
    #[track_caller]
    pub fn refuses(self, code: i32) -> Self {
        let ran = self.exits(code);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        ran.says_one_error();
        ran
    }

    #[track_caller]
    pub fn says_one_error(&self) {
        let errors = self.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{self:?}");
        let message = self.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(message.split_whitespace().count() >= 4, "not a sentence: {self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }

    #[track_caller]
    pub fn mentions(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "`{words}` is not in {self:?}");
        self
    }
}

/// Runs the binary to its end.
pub fn run<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(dotctl().args(words).output().expect("dotctl runs"))
}

/// Splits a line of words that hold no spaces, for readable commands.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Something committed under `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

pub const HOT: &str = "9bc9614cc10db727e951b51ecb3f6e7c9bd7c86b34f116ae3533981908720522.sqlite";

/// A copy of the object that `kill -9` left with all its data in the log.
pub fn hot_database(folder: &Path) -> PathBuf {
    copy_tree(&fixture("objects/hot-wal"), folder);
    folder.join(HOT)
}

/// A folder to work in: in memory where this machine has that, since what a kill leaves behind does
/// not depend on the disk and thousands of syncs do.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// Copies everything below `from` into the folder `to`, made if need be.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Every file below `root`, sorted.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    files
}

/// Every file below `root` with its bytes.
pub fn contents_below(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files_below(root).into_iter().map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect()
}

/// The names in a folder, sorted; none if it is not there.
pub fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Makes a checkpoint and gives what `snapshot --format json` says of it.
#[track_caller]
pub fn snapshot(store: &Path, source: &Path, more: &str) -> serde_json::Value {
    let mut command = dotctl();
    command
        .arg("snapshot")
        .arg(source)
        .arg("--store")
        .arg(store)
        .args(["--format", "json"])
        .args(words(more));
    Ran::of(command.output().expect("dotctl runs")).exits(0).json()["checkpoint"].take()
}

/// strace, which kills and fails system calls where no test could by itself.
pub fn strace() -> Command {
    let probe = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match probe {
        Err(error) => panic!("these tests need strace ({error}): `apt-get install strace`"),
        Ok(output) if !output.status.success() => panic!(
            "strace may not trace here ({}): allow ptrace, as with `docker run --cap-add SYS_PTRACE`, or \
             `sysctl kernel.yama.ptrace_scope=1`",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Ok(_) => {}
    }
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]);
    clean(&mut command);
    command
}

/// Runs the binary in the folder `world`.
pub fn run_in(world: &Path, words: &[String]) -> Ran {
    let mut command = dotctl();
    Ran::of(command.current_dir(world).args(words).output().expect("dotctl runs"))
}

/// The store's checkpoints, newest first; nothing where there is no store yet.
pub fn checkpoints(world: &Path) -> Option<Vec<serde_json::Value>> {
    let ran = run_in(world, &words("list --format json"));
    match ran.code {
        Some(0) => {
            assert_eq!(ran.stderr, "", "a manifest that cannot be read");
            Some(ran.json()["checkpoints"].as_array().expect("a list").clone())
        }
        Some(3) => {
            ran.mentions("there is no store");
            None
        }
        _ => panic!("{ran:?}"),
    }
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256_of(path: &Path) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(fs::read(path).expect("a file"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything that no finished run would have left.
pub fn leftovers(world: &Path) -> Vec<String> {
    let store = world.join(".dotctl");
    let mut strange: Vec<String> = names_in(&store.join("staging"));
    let known =
        ["catalog", "gate.lock", "lock", "manifests", "order.lock", "packs", "staging", "store.json", "tags"];
    strange.extend(names_in(&store).into_iter().filter(|name| !known.contains(&name.as_str())));
    strange.extend(names_in(world).into_iter().filter(|name| name.ends_with("partial")));
    let mut named = Vec::new();
    for namespace in names_in(&store.join("manifests")) {
        let manifests = names_in(&store.join("manifests").join(&namespace));
        if manifests.is_empty() {
            strange.push(namespace.clone());
        }
        for name in manifests {
            let bytes = fs::read(store.join("manifests").join(&namespace).join(&name)).expect("a manifest");
            let manifest: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            for run in manifest["runs"].as_array().expect("runs") {
                for pack in run["packs"].as_array().expect("packs") {
                    named.push(pack["sha256"].as_str().expect("a hash").to_owned());
                }
            }
        }
    }
    let below = |part: &str| {
        let root = store.join(part);
        files_below(&root).into_iter().map(move |path| path.strip_prefix(&root).expect("below").to_owned())
    };
    if store.join("catalog").exists() {
        let first: Vec<_> = below("manifests").collect();
        strange.extend(below("catalog").filter(|path| !first.contains(path)).map(|path| format!("{path:?}")));
    }
    strange.extend(names_in(&store.join("packs")).into_iter().filter(|pack| !named.contains(pack)));
    strange
}

/// Runs `work` on every item, three at a time, since most of it is waiting; sums what they give.
pub fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> usize + Sync) -> usize {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut sum = 0;
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        sum += work(item);
                    }
                    sum
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).sum()
    })
}

/// How often a thread of `dotctl words` makes each of `calls` at most: strace counts for each thread
/// by itself.
pub fn calls_of(world: &Path, words: &[String], calls: &[&str]) -> BTreeMap<String, usize> {
    let log = world.join("strace.log");
    // `?` passes over a name that an architecture does not have.
    let traced: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
    let mut command = strace();
    command.current_dir(world).arg("-o").arg(&log).arg(format!("-etrace={}", traced.join(",")));
    command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words);
    Ran::of(command.output().expect("strace runs")).exits(0);
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(log).expect("a log").lines() {
        let (thread, rest) = line.split_once(' ').expect("a thread's number");
        // `<... fsync resumed>` is the end of a call that has been counted.
        if let Some((call, _)) = rest.trim_start().split_once('(')
            && calls.contains(&call)
        {
            *counts.entry((thread.to_owned(), call.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), count) in counts {
        let entry = most.entry(call).or_insert(0);
        *entry = count.max(*entry);
    }
    most
}

/// A simple generator, so that a failing run can be repeated.
pub struct Random(pub u64);

impl Random {
    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

/// Every place at which a run of `words` in `world` can be killed: a call, and its number in its thread.
pub fn kill_points(world: &Path, words: &[String], calls: &[&str]) -> Vec<(String, usize)> {
    let counts = calls_of(world, words, calls).into_iter();
    counts.flat_map(|(call, count)| (1..=count).map(move |number| (call.clone(), number))).collect()
}

/// Runs `words` in `world` and kills it before that call; whether it was, or had ended well by then.
pub fn killed_at(world: &Path, words: &[String], call: &str, number: usize) -> bool {
    let mut command = strace();
    command.current_dir(world).args(["-o", "/dev/null"]);
    command.arg(format!("-einject={call}:signal=KILL:when={number}"));
    let ran = Ran::of(command.arg(env!("CARGO_BIN_EXE_dotctl")).args(words).output().expect("strace"));
    let is_killed = ran.signal == Some(9);
    assert!(is_killed || ran.code == Some(0), "{call} {number}: {ran:?}");
    is_killed
}

/// `count` of `points`, evenly over all of them; all of them where `DOTCTL_EVERY_KILL` is set.
pub fn sample<T>(mut points: Vec<T>, count: usize) -> Vec<T> {
    let all = points.len();
    if all > count && std::env::var_os("DOTCTL_EVERY_KILL").is_none() {
        let mut place = 0;
        points.retain(|_| {
            let is_taken = place * count / all != (place + 1) * count / all;
            place += 1;
            is_taken
        });
    }
    points
}
