//! What tests through the built binary share: running it, reading what it says, and the tools and
//! fixtures beside it.
// Every test binary compiles this file and uses its own part of it.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The built `dotctl`, with nothing in its environment that changes what it does.
pub fn dotctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dotctl"));
    command
        .env_remove("DOTCTL_STORE")
        .env_remove("DOTCTL_IDENTITY")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// stdout as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is UTF-8")
    }

    /// stdout as exactly one JSON object on one line.
    pub fn json(&self) -> Value {
        let text = self.text();
        let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("no line end behind {text:?}: {self:?}"));
        assert!(!line.contains('\n'), "more than one line: {text:?}");
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {self:?}"));
        assert!(value.is_object(), "not an object: {value}");
        value
    }

    /// The one error on stderr of a run with `--format json`; nothing is on stdout.
    pub fn error(&self) -> Value {
        assert!(self.stdout.is_empty(), "a failed run wrote to stdout: {self:?}");
        let value: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|_| panic!("{self:?}"));
        let error = &value["error"];
        assert!(error["kind"].is_string() && error["message"].is_string(), "{value}");
        assert!(error["hint"].is_string() || error["hint"].is_null(), "{value}");
        error.clone()
    }

    /// The run, which must have ended with `code`.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }
}

/// Runs `command` to its end.
pub fn finish(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ended {
        code: output.status.code().unwrap_or_else(|| panic!("{command:?} was killed: {}", output.status)),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// Runs `command` to its end with `input` on its stdin.
pub fn finish_with(command: &mut Command, input: &[u8]) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Whoever refuses its input early closes the pipe.
            let _ = stdin.write_all(input);
        });
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().expect("not killed"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    })
}

/// A fixture's path.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// The database of the object in `fixtures/objects/<folder>`.
pub fn object_fixture(folder: &str) -> PathBuf {
    let objects = json_file(&fixture("objects/objects.json"));
    let object = objects.as_array().unwrap().iter().find(|object| object["folder"] == folder).unwrap();
    fixture("objects").join(folder).join(object["file"].as_str().unwrap())
}

/// A JSON document in a file.
pub fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// A row of `_cf_KV` as `fixtures/objects/values.json` has it.
#[derive(Debug, Deserialize)]
pub struct FixtureValue {
    pub key: String,
    /// The fixtures whose object has it.
    #[serde(rename = "in")]
    pub folders: Vec<String>,
    /// What workerd reads. Not parsed: some values nest deeper than serde_json follows.
    pub value: Box<RawValue>,
    pub stored_bytes: usize,
    pub stored_hex: Option<String>,
    pub stored_sha256: Option<String>,
}

/// The values of the object in `fixtures/objects/<folder>`, in the order in which workerd lists them.
pub fn fixture_values(folder: &str) -> Vec<FixtureValue> {
    let bytes = fs::read(fixture("objects/values.json")).unwrap();
    let mut values: Vec<FixtureValue> = serde_json::from_slice(&bytes).unwrap();
    values.retain(|value| value.folders.iter().any(|name| name == folder));
    assert!(values.len() > 200, "{} values in {folder}", values.len());
    values
}

/// A folder that is gone after the test, with a store in it.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// `dotctl COMMAND --store STORE ARGS`.
    pub fn dotctl(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.extend(dotctl(), args)
    }

    /// The same with `--format json`.
    pub fn dotctl_json(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = dotctl();
        command.args(["--format", "json"]);
        self.extend(command, args)
    }

    fn extend(&self, mut command: Command, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut args = args.into_iter();
        command.arg(args.next().expect("a command")).arg("--store").arg(self.store()).args(args);
        command
    }

    /// Runs `dotctl COMMAND --store STORE ARGS`, which must succeed.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
        finish(&mut self.dotctl(args)).expect(0)
    }

    /// Runs it with `--format json` and gives the document.
    pub fn json(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Value {
        finish(&mut self.dotctl_json(args)).expect(0).json()
    }

    /// Runs it with `--format json`; it must fail with `code`. Gives the error.
    pub fn fails(&self, code: i32, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Value {
        finish(&mut self.dotctl_json(args)).expect(code).error()
    }

    /// Captures `source`; the checkpoint.
    pub fn snapshot(&self, source: &Path, more: &[&str]) -> Value {
        let args = [OsStr::new("snapshot"), source.as_os_str()].into_iter();
        self.json(args.chain(more.iter().map(OsStr::new)))["checkpoint"].clone()
    }

    /// Restores `reference` to a new file called `name`; its path.
    pub fn restore(&self, reference: &str, name: &str) -> PathBuf {
        let to = self.path(name);
        let restored = self.json(["restore", reference, "--to", to.to_str().unwrap()]);
        assert_eq!(restored["sha256"], sha256_file(&to), "restore tells the file's SHA-256");
        to
    }
}

/// Every file below `folder` with its bytes.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                contents.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    contents
}

/// Copies a folder and all below it.
pub fn copy_folder(from: &Path, to: &Path) {
    for (path, bytes) in contents(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

/// SHA-256 of `bytes` in lowercase hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file in lowercase hexadecimal.
pub fn sha256_file(path: &Path) -> String {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut sha256 = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut sha256)).unwrap();
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `numbers` that look random and are the same in every run (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Node that runs workerd, as `npm ci` in `fixtures/workerd` brings it.
pub fn node() -> Command {
    let node = fixture("workerd/node_modules/.bin/node");
    assert!(node.exists(), "no {}; bring it with: npm ci --prefix fixtures/workerd", node.display());
    Command::new(node)
}

/// A script of `tests/workerd`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workerd").join(name)
}

/// A tool of the system; where it is missing, how to get it.
pub fn need_tool(name: &str) {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "this test needs `{name}`: apt-get install {name} (Debian, Ubuntu) or brew install {name} (macOS)"
    );
}

/// The database of the only object that `tests/workerd/checkpoints.mjs` has made below `state`.
pub fn room_database(state: &Path) -> PathBuf {
    let folder = state.join("do/checkpoints-Room");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = files.filter(|path| {
        path.extension().is_some_and(|ending| ending == "sqlite")
            && path.file_stem().is_some_and(|stem| stem.len() == 64)
    });
    let only = found.next().unwrap();
    assert_eq!(found.next(), None);
    only
}
