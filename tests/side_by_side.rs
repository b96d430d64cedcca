//! Snapshots, compactions, prunes and tags at once, each a process of its own, on one store: nothing that is needed
//! goes, and whatever is left restores to what was captured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Ran, checkpoints, dotctl, folder, leftovers, run_in, sha256_of, words};

const NAMESPACES: [&str; 2] = ["a", "b"];
const ROUNDS: u64 = 60;

/// A state of which a few entries are different in each round.
fn write_state(path: &Path, round: u64) {
    let entry = |key: u64| {
        let value = if key % 40 == round % 40 { round } else { key / 7 };
        format!("[\"{key:04}\",{{\"value\":\"{value} of {key}\",\"createdAt\":1}}]")
    };
    let text: Vec<String> = (0..1500).map(entry).collect();
    fs::write(path, format!("[{}]", text.join(","))).unwrap();
}

fn start(world: &Path, line: &str) -> (String, Child) {
    let mut command: Command = dotctl();
    command.current_dir(world).args(words(line)).args(["--format", "json"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    (line.to_owned(), child)
}

/// What a process that could not do its work said: another one was faster. Nothing else is an excuse.
fn yields(line: &str, ran: &Ran) -> bool {
    match ran.code {
        Some(0) => false,
        _ => {
            let kind = serde_json::from_str::<Value>(&ran.stderr).unwrap()["error"]["kind"].clone();
            assert!(kind == "missing" || kind == "busy", "{line}: {ran:?}");
            true
        }
    }
}

/// Every checkpoint that is there restores to the state whose hash was noted when it was made.
fn judge(world: &Path, made: &BTreeMap<(String, u64), String>, round: u64) -> Vec<Value> {
    let left = checkpoints(world).expect("a store");
    for one in &left {
        let (namespace, sequence) = (one["namespace"].as_str().unwrap(), one["sequence"].as_u64().unwrap());
        let wanted = &made[&(namespace.to_owned(), sequence)];
        assert_eq!(one["content_sha256"], wanted.as_str(), "round {round}: {one}");
        let line = format!("restore {} --to restored.json --force", one["id"].as_str().unwrap());
        run_in(world, &words(&line)).exits(0);
        assert_eq!(&sha256_of(&world.join("restored.json")), wanted, "round {round}: {one}");
    }
    let verified = run_in(world, &words("verify --format json")).exits(0).json();
    assert_eq!(verified["checked"]["checkpoints"], left.len(), "round {round}");
    for namespace in NAMESPACES {
        let last = made.keys().filter(|(of, _)| of == namespace).max().unwrap();
        let newest = left.iter().filter(|one| one["namespace"] == namespace);
        let newest = newest.filter_map(|one| one["sequence"].as_u64()).max();
        assert_eq!(newest, Some(last.1), "round {round}: the newest of {namespace} is gone");
    }
    left
}

#[test]
fn compact_prune_snapshot_and_tag_at_once() {
    let world = folder();
    let world = world.path();
    let mut made = BTreeMap::new();
    let (mut done, mut yielded): (BTreeMap<String, u64>, u64) = (BTreeMap::new(), 0);
    let mut removed = 0;
    for round in 0..ROUNDS {
        let sources = NAMESPACES.map(|namespace| (namespace, format!("{namespace}.json")));
        let (mut running, mut about_to_go) = (Vec::new(), None);
        for (namespace, source) in &sources {
            write_state(&world.join(source), round * 2 + u64::from(*namespace == "b"));
            running.push(start(world, &format!("snapshot {source} --namespace {namespace}")));
        }
        if round > 0 {
            // The oldest is about to go: a tag comes in time, or not at all.
            let oldest = checkpoints(world).unwrap();
            let oldest = oldest.iter().rev().find(|one| one["tags"] == serde_json::json!([])).unwrap();
            let id = oldest["id"].as_str().unwrap();
            about_to_go = Some((oldest["namespace"].clone(), oldest["sequence"].clone()));
            if round % 3 == 0 {
                running.push(start(world, &format!("tag {id} keep")));
            }
            for namespace in NAMESPACES {
                running.push(start(world, &format!("compact {namespace}@latest")));
                running.push(start(world, "prune --keep-last 2 --keep-tag keep --grace 0s"));
            }
        }
        let mut tagged = None;
        for (line, child) in running {
            let ran = Ran::of(child.wait_with_output().unwrap());
            let verb = line.split(' ').next().unwrap();
            if yields(&line, &ran) {
                assert!(verb != "prune", "{line}: {ran:?}");
                yielded += 1;
                continue;
            }
            *done.entry(verb.to_owned()).or_default() += 1;
            let said = ran.json();
            match verb {
                "snapshot" => {
                    let one = &said["checkpoint"];
                    let namespace = one["namespace"].as_str().unwrap().to_owned();
                    let hash = sha256_of(&world.join(format!("{namespace}.json")));
                    made.insert((namespace, one["sequence"].as_u64().unwrap()), hash);
                }
                "prune" => removed += said["removed"].as_array().unwrap().len(),
                "tag" => tagged = about_to_go.clone(),
                _ => {}
            }
        }
        let left = judge(world, &made, round);
        if let Some((namespace, sequence)) = tagged {
            // By now it may have another id: compaction takes its tags along.
            let is_it = |one: &&Value| one["namespace"] == namespace && one["sequence"] == sequence;
            let of_it = left.iter().find(is_it).unwrap_or_else(|| {
                panic!("round {round}: {sequence} of {namespace} had its tag in time and is gone")
            });
            assert_eq!(of_it["tags"], serde_json::json!(["keep"]), "round {round}");
            run_in(world, &words(&format!("tag {} keep --remove", of_it["id"].as_str().unwrap()))).exits(0);
        }
    }
    eprintln!("{done:?} done, {yielded} gave way, {removed} checkpoints removed");
    for verb in ["snapshot", "compact", "prune", "tag"] {
        assert!(done[verb] > 0, "{done:?}");
    }
    assert!(removed > 0);
    run_in(world, &words("prune --keep-last 1 --grace 0s")).exits(0);
    assert_eq!(judge(world, &made, ROUNDS).len(), NAMESPACES.len());
    assert_eq!(leftovers(world), [""; 0]);
}
