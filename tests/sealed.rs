//! Sealed checkpoints: whoever has no key sees that they are whole, and nothing of what they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use dotctl_engine::ErrorKind;
use dotctl_stores::drive::{NoProgress, Verifier};
use dotctl_stores::folder::FolderStore;
use dotctl_stores::sealed::{Identities, Keys, SealedStore};
use dotctl_stores::store::Store;
use serde_json::Value;
use support::{Ran, contents_below, files_below, folder, hot_database, snapshot, words};
use tempfile::TempDir;

/// A folder with a key, a store and sources.
struct World {
    folder: TempDir,
    recipient: String,
}

impl World {
    fn new() -> Self {
        let folder = folder();
        let recipient = write_key(&folder.path().join("key"));
        World { folder, recipient }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// State of `count` entries; the one with the number `changed` has another value.
    fn state(&self, name: &str, count: usize, changed: Option<usize>) -> PathBuf {
        let entries: Vec<String> = (0..count)
            .map(|number| {
                let word = if changed == Some(number) { "changed" } else { "secret" };
                format!("[\"user:{number:06}\",{{\"value\":\"{word}-{}\"}}]", number * 7919 % 1_000_003)
            })
            .collect();
        let path = self.path(name);
        fs::write(&path, format!("[{}]", entries.join(","))).unwrap();
        path
    }

    /// Runs dotctl on the store, with the key or without.
    fn run(&self, line: &str, with_key: bool) -> Ran {
        let mut command = support::dotctl();
        command.env_remove("DOTCTL_IDENTITY").current_dir(self.folder.path());
        command.args(words(line));
        if !line.contains("--store") && !line.starts_with("inspect") {
            command.args(["--store", "store"]);
        }
        if with_key {
            command.args(["--identity", "key"]);
        }
        Ran::of(command.output().unwrap())
    }

    fn sealed_snapshot(&self, source: &str, more: &str, with_key: bool) -> Value {
        let line = format!("snapshot {source} --encrypt {} --format json {more}", self.recipient);
        self.run(&line, with_key).exits(0).json()["checkpoint"].take()
    }

    fn opened(&self) -> Box<dyn Store> {
        let identities = Identities::read(&[self.path("key")]).unwrap();
        SealedStore::over(
            Box::new(FolderStore::open(&self.store()).unwrap()),
            Keys { identities, ..Keys::default() },
        )
    }
}

/// Makes a key and gives its recipient.
fn write_key(path: &Path) -> String {
    let identity = Identity::generate();
    fs::write(path, format!("# made by a test\n{}\n", identity.to_string().expose_secret())).unwrap();
    identity.to_public().to_string()
}

#[test]
fn every_kind_is_restored_with_the_key_and_not_without() {
    let world = World::new();
    let hot = hot_database(&world.path("hot"));
    let hot = hot.strip_prefix(world.folder.path()).unwrap().display().to_string();
    world.state("state.json", 30_000, None);
    write_key(&world.path("other"));
    for (source, more, form) in
        [(hot.as_str(), "", "sqlite"), ("state.json", "", "json"), (hot.as_str(), "--kind rows", "ndjson")]
    {
        let namespace = format!("of-{form}");
        let more = format!("{more} --namespace {namespace} --chunk-bytes 64KiB");
        let made = world.sealed_snapshot(source, &more, false);
        assert_eq!(made["sealed"], true, "{made}");
        let open = snapshot(&world.path("open"), &world.path(source), &more);
        assert_eq!(made["content_sha256"], open["content_sha256"]);
        let id = made["id"].as_str().unwrap();
        let restore = |store: &str, to: &str| {
            format!("restore {namespace}@latest --store {store} --to {to} --as {form}")
        };
        world.run(&restore("store", "not"), false).refuses(3).mentions("--identity FILE");
        let wrong = format!("{} --identity other", restore("store", "not"));
        world.run(&wrong, false).refuses(3).mentions("sealed for others");
        assert!(!world.path("not").exists());
        world.run(&restore("store", "sealed"), true).exits(0);
        world.run(&restore("open", "plain"), false).exits(0);
        assert_eq!(fs::read(world.path("sealed")).unwrap(), fs::read(world.path("plain")).unwrap());
        fs::remove_file(world.path("sealed")).unwrap();
        fs::remove_file(world.path("plain")).unwrap();

        let without = world.run(&format!("verify {id} --format json"), false).exits(0).json();
        assert_eq!(without["checked"]["unopened_checkpoints"], 1);
        assert_eq!(without["checked"]["chunks"], 0);
        let with = world.run(&format!("verify {id} --format json"), true).exits(0).json();
        assert_eq!(with["checked"]["unopened_checkpoints"], 0);
        assert!(with["checked"]["chunks"].as_u64().unwrap() > 0);
    }
    let said = String::from_utf8(world.run("verify", false).exits(0).stdout).unwrap();
    assert!(said.contains("NOT CHECKED: the content of 3 sealed checkpoints"), "{said}");
    assert!(!String::from_utf8(world.run("verify", true).exits(0).stdout).unwrap().contains("NOT CHECKED"));
}

#[test]
fn without_the_key_nothing_is_seen_of_what_it_holds() {
    let world = World::new();
    world.state("state.json", 500, None);
    let made = world.sealed_snapshot("state.json", "", false);
    let listed = world.run("list --format json", false).exits(0).json()["checkpoints"][0].take();
    let shown = world.run("show latest --format json", false).exits(0).json();
    for document in [&listed, &shown] {
        assert_eq!(document["sealed"], true);
        assert_eq!(document["stored_bytes"], made["stored_bytes"]);
        assert_eq!(document["namespace"], "state");
        for hidden in ["kind", "record_count", "raw_bytes", "content_sha256", "codec", "chunk_count"] {
            assert!(document[hidden].is_null(), "{hidden} in {document}");
        }
    }
    let with = world.run("show latest --format json", true).exits(0).json();
    assert_eq!(with["content_sha256"], made["content_sha256"]);
    let report = world.run("inspect store --format json", false).exits(0).json();
    assert_eq!((&report["unopened_checkpoint_count"], &report["raw_bytes"]), (&1.into(), &0.into()));
    let report = world.run("inspect store --format json", true).exits(0).json();
    assert_eq!(report["raw_bytes"], made["raw_bytes"]);
    world.run("get latest user:000007", false).refuses(3);
    assert_eq!(world.run("get latest user:000007", true).exits(0).stdout.last(), Some(&b'\n'));
    // By where it is, it is found all the same.
    world.run("tag latest kept", false).exits(0);
    world.run("show kept", false).exits(0);
    world.run("show state@2999-01-01T00:00:00Z", false).exits(0);

    // Nothing of it is anywhere in the store, whatever its form: words, hashes, sizes of what is within.
    let within = world.opened().open_manifest(&envelope(&world)).unwrap();
    let pack = within.packs().next().unwrap();
    let name = pack.within.unwrap().sha256;
    let hash = |hash: &dotctl_engine::id::Hash| {
        let text = hash.to_string();
        let bytes: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
        [text.into_bytes(), bytes]
    };
    let mut canaries =
        vec![b"user:".to_vec(), b"secret-".to_vec(), b"DOTCTL".to_vec(), b"first_key".to_vec()];
    canaries.extend([
        b"content_sha256".to_vec(),
        b"AGE-SECRET".to_vec(),
        world.recipient.clone().into_bytes(),
    ]);
    canaries.extend(hash(&within.content_sha256));
    canaries.extend(hash(&name));
    canaries.extend(hash(&pack.index_sha256));
    let kept = contents_below(&world.store());
    assert!(kept.iter().any(|(path, _)| path.starts_with(world.store().join("packs"))));
    for (path, bytes) in &kept {
        for canary in &canaries {
            let found = bytes.windows(canary.len()).any(|window| window == canary);
            assert!(!found, "{} in {}", String::from_utf8_lossy(canary), path.display());
        }
    }
}

/// The envelope of the only checkpoint.
fn envelope(world: &World) -> dotctl_engine::format::SealedManifest {
    let store = FolderStore::open(&world.store()).unwrap();
    let key = store.manifests().unwrap().keys.remove(0);
    match dotctl_stores::reference::see(&store, key).unwrap().document {
        dotctl_engine::format::Document::Sealed(sealed) => sealed,
        open => panic!("{open:?}"),
    }
}

#[test]
fn with_the_key_only_changes_are_stored() {
    let world = World::new();
    world.state("state.json", 40_000, None);
    world.state("later.json", 40_000, Some(20_000));
    let small = "--namespace n --chunk-bytes 64KiB";
    let full = world.sealed_snapshot("state.json", small, false);
    let equal = world.sealed_snapshot("state.json", small, true);
    assert_eq!((&equal["new_bytes"], &equal["new_chunk_count"]), (&0.into(), &0.into()));
    // Nothing to build on, and yet every pack is there already.
    let again = world.sealed_snapshot("state.json", &format!("{small} --base none"), true);
    assert_eq!(again["new_bytes"], 0, "{again}");
    let later = world.sealed_snapshot("later.json", small, true);
    assert_eq!(later["base"], again["id"]);
    assert!(later["new_bytes"].as_u64().unwrap() < full["stored_bytes"].as_u64().unwrap() / 10, "{later}");
    world.run("verify", true).exits(0);
    let ids = [again["id"].as_str().unwrap(), later["id"].as_str().unwrap()];
    let diff = world.run(&format!("diff {} {} --format json", ids[0], ids[1]), true).exits(1).json();
    assert_eq!(diff["modified"], 1);
    world.run(&format!("diff {} {}", ids[0], ids[1]), false).refuses(3);
    world.run("restore n@latest --to part --as ndjson --key-prefix user:02", true).exits(0);
    assert_eq!(fs::read_to_string(world.path("part")).unwrap().lines().count(), 10_000);

    // Without the key nothing can be compared.
    let line = format!("snapshot later.json --encrypt {} {small}", world.recipient);
    world.run(&line, false).exits(0).mentions("a full one was made");
    // For somebody else, nothing can be shared.
    let other = write_key(&world.path("other"));
    let line = format!("snapshot later.json --encrypt {other} --format json {small}");
    let theirs = world.run(&line, true).exits(0).mentions("cannot be built on").json();
    assert_eq!(theirs["checkpoint"]["new_bytes"], theirs["checkpoint"]["stored_bytes"]);
    world.run(&format!("{line} --base {}", ids[1]), true).exits(2).mentions("same recipients");

    // Compacting keeps it sealed, for whom it was.
    let before = files_below(&world.store().join("packs")).len();
    world.run(&format!("compact {}", ids[1]), false).refuses(3);
    let compacted = world.run(&format!("compact {} --format json", ids[1]), true).exits(0).json();
    assert_eq!(compacted["checkpoint"]["sealed"], true);
    assert!(compacted["checkpoint"]["chain"].is_null());
    assert!(files_below(&world.store().join("packs")).len() <= before + 1);
    // Pruning needs no key.
    world.run("prune --keep-last 1 --grace 0s", false).exits(0);
    assert_eq!(files_below(&world.store().join("manifests")).len(), 1);
    world.run("verify --identity other", false).exits(0);
    assert_eq!(
        world.run("list --format json --identity other", false).json()["checkpoints"][0]["kind"],
        "state"
    );
}

#[test]
fn what_is_sealed_is_not_followed_by_what_lies_open() {
    let world = World::new();
    world.state("state.json", 200, None);
    world.sealed_snapshot("state.json", "", false);
    let ids: Vec<PathBuf> = files_below(&world.store());
    for more in ["", "--base none", "--base latest"] {
        let ran = world.run(&format!("snapshot state.json {more}"), true).refuses(2);
        ran.mentions("sealed").mentions("--no-encrypt");
    }
    world.run("snapshot state.json", false).refuses(2).mentions("--no-encrypt");
    let data = |path: &PathBuf| !path.to_string_lossy().contains("lock");
    assert_eq!(
        files_below(&world.store()).iter().filter(|path| data(path)).count(),
        ids.iter().filter(|path| data(path)).count()
    );
    // A manifest that cannot be read any more was an envelope all the same.
    let manifest = files_below(&world.store().join("manifests")).remove(0);
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, [&whole[..1], b"!", &whole[2..]].concat()).unwrap();
    world.run("snapshot state.json", true).refuses(2).mentions("--no-encrypt");
    fs::write(&manifest, whole).unwrap();
    // Another namespace is another matter.
    world.run("snapshot state.json --namespace other", false).exits(0);
    let open = world.run("snapshot state.json --no-encrypt --format json", true).exits(0).json();
    assert!(open["checkpoint"]["sealed"].is_null());
    assert_eq!(open["checkpoint"]["new_bytes"], 0, "the other namespace has that pack, and it lies open");
    world.run("restore state@latest --to restored.json", false).exits(0);
    // And back: on what lies open no sealed one is built.
    let sealed = world.sealed_snapshot("state.json", "", true);
    assert!(sealed["base"].is_null());
    assert_eq!(sealed["sealed"], true);
}

#[test]
fn a_copy_needs_no_key_and_stays_sealed() {
    let world = World::new();
    world.state("state.json", 20_000, None);
    let made = world.sealed_snapshot("state.json", "", false);
    let id = made["id"].as_str().unwrap();
    let copied = world.run("copy latest --to-store copied --format json", false).exits(0);
    copied.mentions("no key was given");
    let copied = copied.json();
    assert_eq!((&copied["checkpoint"]["id"], &copied["new_bytes"]), (&made["id"], &made["stored_bytes"]));
    assert!(copied["new_chunk_count"].is_null());
    for part in ["manifests", "packs"] {
        let names = |store: &str| {
            let root = world.path(store).join(part);
            contents_below(&root)
                .into_iter()
                .map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes))
                .collect::<Vec<_>>()
        };
        assert_eq!(names("copied"), names("store"));
    }
    let again = world.run("copy latest --to-store copied --format json", true).exits(0).json();
    assert_eq!(again["existed"], true);
    world.run(&format!("restore {id} --store copied --to restored.json"), true).exits(0);
    // Into an object, and into an object with a second store beside it.
    hot_database(&world.path("hot"));
    let object = format!("hot/{}", support::HOT);
    world.run(&format!("copy latest --to-store {object}"), false).exits(0);
    world.run(&format!("restore {id} --store {object} --to from-object.json"), true).exits(0);
    world.run(&format!("verify {object} --store {object} --format json"), true).exits(0);
    assert_eq!(
        fs::read(world.path("from-object.json")).unwrap(),
        fs::read(world.path("restored.json")).unwrap()
    );
    fs::write(world.path("dotctl.toml"), "[placement]\noverflow_stored_bytes = \"1KiB\"\n").unwrap();
    let placed = format!(
        "snapshot state.json --namespace placed --encrypt {} --store {object} --overflow second --placement hybrid \
         --format json",
        world.recipient
    );
    let placed = world.run(&placed, false).exits(0).json();
    assert_eq!(placed["checkpoint"]["place"], "overflow", "{placed}");
    let stores = format!("--store {object} --overflow second");
    world.run(&format!("restore placed@latest {stores} --to from-second.json"), true).exits(0);
    world.run(&format!("restore placed@latest {stores} --to not.json"), false).refuses(3);
    assert_eq!(
        fs::read(world.path("from-second.json")).unwrap(),
        fs::read(world.path("restored.json")).unwrap()
    );
    assert_eq!(world.run(&format!("verify {stores} --format json"), true).exits(0).json()["ok"], true);
    assert_eq!(world.run(&format!("verify {stores} --format json"), false).exits(0).json()["ok"], true);
}

/// Every byte of every file: found by who has the key and by who has not.
#[test]
fn every_changed_byte_is_found_with_the_key_and_without() {
    let world = World::new();
    world.state("state.json", 30, None);
    world.sealed_snapshot("state.json", "", false);
    let findings = |store: &dyn Store| {
        let mut verifier = Verifier::new(store, false);
        verifier.store(&NoProgress).unwrap();
        verifier.findings.len()
    };
    let (open, closed) = (world.opened(), FolderStore::open(&world.store()).unwrap());
    assert_eq!((findings(open.as_ref()), findings(&closed)), (0, 0));
    let mut changed = 0;
    for part in ["manifests", "packs"] {
        for path in files_below(&world.store().join(part)) {
            // Not through the manifest's second name.
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, &bytes).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            for (offset, byte) in bytes.iter().enumerate() {
                file.write_all_at(&[byte ^ 1], offset as u64).unwrap();
                let what = format!("byte {offset} of {}", path.display());
                assert_ne!(findings(&closed), 0, "{what}, without the key");
                assert_ne!(findings(open.as_ref()), 0, "{what}, with the key");
                file.write_all_at(&[*byte], offset as u64).unwrap();
                changed += 1;
            }
            file.set_len(bytes.len() as u64 - 1).unwrap();
            assert_ne!((findings(&closed), findings(open.as_ref())), (0, 0));
            fs::write(&path, &bytes).unwrap();
        }
    }
    assert!(changed > 2_000, "{changed}");
    assert_eq!((findings(open.as_ref()), findings(&closed)), (0, 0));
}

/// What opens right and is not what the name says: sealed anew by somebody who has the public key.
#[test]
fn a_pack_that_was_sealed_anew_is_found_and_one_with_other_content_refused() {
    let world = World::new();
    world.state("state.json", 300, None);
    world.sealed_snapshot("state.json", "", false);
    let path = files_below(&world.store().join("packs")).remove(0);
    let sealed = fs::read(&path).unwrap();
    let key = fs::read_to_string(world.path("key")).unwrap();
    let identity: Identity = key.lines().last().unwrap().parse().unwrap();
    let mut pack = age::decrypt(&identity, &sealed).unwrap();
    let mut anew = age::encrypt(&identity.to_public(), &pack).unwrap();
    while anew.len() != sealed.len() {
        // The header has a stanza of random length.
        anew = age::encrypt(&identity.to_public(), &pack).unwrap();
    }
    fs::write(&path, &anew).unwrap();
    for with_key in [true, false] {
        let found = world.run("verify --format json", with_key).exits(1).json();
        assert_eq!(found["findings"][0]["kind"], "checksum-mismatch", "{found}");
    }
    let middle = pack.len() / 2;
    pack[middle] ^= 1;
    let mut forged = age::encrypt(&identity.to_public(), &pack).unwrap();
    while forged.len() != sealed.len() {
        forged = age::encrypt(&identity.to_public(), &pack).unwrap();
    }
    fs::write(&path, &forged).unwrap();
    world.run("restore latest --to not.json", true).refuses(1);
    assert!(!world.path("not.json").exists());
}

/// Sealing is never twice the same, so a compaction that was killed leaves a full checkpoint that the next run
/// would not make again: that takes it, and of several keeps one.
#[test]
fn of_several_compactions_one_stays() {
    let world = World::new();
    world.state("state.json", 3_000, None);
    world.state("later.json", 3_000, Some(20));
    world.sealed_snapshot("state.json", "--namespace n", true);
    world.sealed_snapshot("later.json", "--namespace n", true);
    let (chain, first) = (world.path("chain"), world.path("first"));
    support::copy_tree(&world.store(), &chain);
    world.run("compact n@latest", true).exits(0);
    support::copy_tree(&world.store(), &first);
    // Both were killed before they removed the chain; one of them lost a pack besides.
    for damaged in [false, true] {
        fs::remove_dir_all(world.store()).unwrap();
        support::copy_tree(&chain, &world.store());
        world.run("compact n@latest", true).exits(0);
        let full = files_below(&world.store().join("packs"));
        let full = full.iter().find(|path| !chain.join("packs").join(path.file_name().unwrap()).exists());
        if damaged {
            fs::write(full.unwrap(), "").unwrap();
        }
        for from in [&chain, &first] {
            for part in ["packs", "manifests/n", "catalog/n"] {
                for path in files_below(&from.join(part)) {
                    fs::copy(&path, world.store().join(part).join(path.file_name().unwrap())).unwrap();
                }
            }
        }
        assert_eq!(files_below(&world.store().join("manifests")).len(), 4);
        let chained = world.run("list --format json", true).exits(0).json();
        let chained = chained["checkpoints"].as_array().unwrap().iter().find(|one| !one["chain"].is_null());
        let id = chained.unwrap()["id"].as_str().unwrap().to_owned();
        world.run(&format!("compact {id} --grace 0s"), true).exits(0);
        assert_eq!(files_below(&world.store().join("manifests")).len(), 2);
        world.run("verify", true).exits(0);
        world.run("restore n@latest --to restored.json --force", true).exits(0);
        assert_eq!(
            fs::read(world.path("restored.json")).unwrap(),
            fs::read(world.path("later.json")).unwrap()
        );
    }
}

/// Recipients are public, so anybody can seal other ones for the same people; but not for this manifest.
#[test]
fn recipients_that_somebody_else_sealed_are_refused() {
    let world = World::new();
    world.state("state.json", 3_000, None);
    world.state("later.json", 3_000, Some(20));
    world.sealed_snapshot("state.json", "--namespace n", true);
    world.sealed_snapshot("later.json", "--namespace n", true);
    let thief = write_key(&world.path("thief"));
    let path = files_below(&world.store().join("manifests")).pop().unwrap();
    let mut envelope: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let own: age::x25519::Recipient = world.recipient.parse().unwrap();
    let text = format!("# {}\n{}\n{thief}\n", "0".repeat(64), world.recipient);
    envelope["recipients"] = age::encrypt_and_armor(&own, text.as_bytes()).unwrap().into();
    let mut bytes = serde_json::to_vec(&envelope).unwrap();
    bytes.push(b'\n');
    let sequence = path.file_name().unwrap().to_str().unwrap().split_once('-').unwrap().0.to_owned();
    let id = dotctl_engine::id::Hash::of(&bytes);
    fs::write(path.with_file_name(format!("{sequence}-{id}.json")), &bytes).unwrap();
    fs::remove_file(&path).unwrap();
    let found = world.run("verify", true).exits(1).stdout;
    assert!(String::from_utf8_lossy(&found).contains("recipients"));
    world.run("compact n@latest", true).refuses(1).mentions("recipients");
}

/// The way out: age, and an ordinary store is what it leaves. No dotctl with a key is needed.
#[test]
fn age_alone_opens_a_checkpoint() {
    let world = World::new();
    let state = world.state("state.json", 20_000, None);
    let made = world.sealed_snapshot("state.json", "--namespace n", false);
    let age = |from: &Path, to: &Path| {
        let ran = Command::new("age")
            .args(["-d", "-i"])
            .arg(world.path("key"))
            .arg("-o")
            .arg(to)
            .arg(from)
            .output();
        let ran = ran.unwrap_or_else(|error| panic!("this test needs age ({error}): `apt-get install age`"));
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    let envelope: Value =
        serde_json::from_slice(&fs::read(files_below(&world.store().join("manifests")).remove(0)).unwrap())
            .unwrap();
    fs::write(world.path("manifest.age"), envelope["manifest"].as_str().unwrap()).unwrap();
    age(&world.path("manifest.age"), &world.path("manifest"));
    let manifest = fs::read(world.path("manifest")).unwrap();
    let within: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(within["content_sha256"], made["content_sha256"]);
    fs::write(world.path("recipients.age"), envelope["recipients"].as_str().unwrap()).unwrap();
    age(&world.path("recipients.age"), &world.path("recipients"));
    let named = format!("# {}\n{}\n", dotctl_engine::id::Hash::of(&manifest), world.recipient);
    assert_eq!(fs::read_to_string(world.path("recipients")).unwrap(), named);

    let opened = world.path("opened");
    fs::create_dir_all(opened.join("manifests/n")).unwrap();
    fs::create_dir_all(opened.join("packs")).unwrap();
    fs::copy(world.store().join("store.json"), opened.join("store.json")).unwrap();
    let id = dotctl_engine::id::Hash::of(&manifest);
    fs::write(opened.join(format!("manifests/n/0000000001-{id}.json")), &manifest).unwrap();
    let packs = within["runs"][0]["packs"].as_array().unwrap();
    for (sealed, pack) in envelope["packs"].as_array().unwrap().iter().zip(packs) {
        let name = |pack: &Value| pack["sha256"].as_str().unwrap().to_owned();
        age(&world.store().join("packs").join(name(sealed)), &opened.join("packs").join(name(pack)));
    }
    world.run("verify --store opened", false).exits(0);
    world.run("restore latest --store opened --to restored.json", false).exits(0);
    assert_eq!(fs::read(world.path("restored.json")).unwrap(), fs::read(state).unwrap());
    // With zstd in dotctl's place.
    let pack = files_below(&opened.join("packs")).remove(0);
    let lines = Command::new("zstd").args(["-dcq"]).arg(pack).output().expect("this test needs zstd").stdout;
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 20_000);
}

#[test]
fn keys_are_files_and_never_printed() {
    let world = World::new();
    world.state("state.json", 100, None);
    let secret = fs::read_to_string(world.path("key")).unwrap().lines().last().unwrap().to_owned();
    let other = write_key(&world.path("other"));
    let file = format!("# whose\n\n{}\n{other}\n{other}\n", world.recipient);
    fs::write(world.path("recipients"), file).unwrap();
    world.run("snapshot state.json --encrypt recipients", false).exits(0);
    for identity in ["key", "other"] {
        world.run(&format!("restore latest --to {identity}.json --identity {identity}"), false).exits(0);
    }
    // The same, named one by one: what is there is built on.
    let line = format!("snapshot state.json --format json --encrypt {} --encrypt {other}", world.recipient);
    assert_eq!(world.run(&line, true).exits(0).json()["checkpoint"]["new_bytes"], 0);
    let mut by_environment = support::dotctl();
    by_environment.env("DOTCTL_IDENTITY", world.path("key")).current_dir(world.folder.path());
    Ran::of(by_environment.args(words("restore latest --to e.json --store store")).output().unwrap())
        .exits(0);

    fs::write(world.path("mixed"), format!("{}\n{secret}\n", world.recipient)).unwrap();
    fs::write(world.path("broken"), format!("# key\n{}x\n", secret)).unwrap();
    fs::write(world.path("empty"), "# nobody\n").unwrap();
    let refused = [
        (format!("snapshot state.json --encrypt {secret}"), "secret key"),
        (format!("list --identity {secret}"), "secret key"),
        (format!("list --identity {}", secret.to_lowercase()), "secret key"),
        ("snapshot state.json --encrypt mixed".to_owned(), "secret key"),
        ("list --identity broken".to_owned(), "age identities"),
        ("snapshot state.json --encrypt empty".to_owned(), "no recipients"),
        ("list --identity empty".to_owned(), "no identity"),
        ("snapshot state.json --encrypt age1nobody".to_owned(), "not a recipient"),
        ("snapshot state.json --encrypt ssh-ed25519".to_owned(), "SSH"),
    ];
    for (line, words) in refused {
        let ran = world.run(&line, false).refuses(2);
        ran.mentions(words);
        assert!(!ran.stderr.to_uppercase().contains(&secret.to_uppercase()), "{ran:?}");
        assert!(!ran.stderr.contains(&secret[20..40]), "{ran:?}");
    }
    world.run("snapshot state.json --encrypt nowhere", false).refuses(3);
    world.run("list --identity nowhere", false).refuses(3);
    for (path, bytes) in contents_below(&world.store()) {
        let has = |words: &str| bytes.windows(words.len()).any(|window| window == words.as_bytes());
        assert!(!has(&secret) && !has("AGE-SECRET-KEY"), "{}", path.display());
    }
    let found = dotctl_stores::reference::resolve(&FolderStore::open(&world.store()).unwrap(), "latest");
    assert_eq!(found.unwrap_err().kind(), ErrorKind::Sealed);
}
