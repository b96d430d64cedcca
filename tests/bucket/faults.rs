//! A store behind a network and a server that fail: what is said to be done has been done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dotctl_engine::{ErrorKind, Result};
use dotctl_stores::bucket::{BucketSetting, BucketStore};
use dotctl_stores::drive::{NoProgress, Verifier};
use dotctl_stores::store::Store;

use crate::made::{Entries, restored, setting, snapshot};
use crate::proxy::{Fault, Proxy, STALL};
use crate::servers::{Server, setting as bucket_setting};

/// A store behind `proxy`, which waits for nothing longer than a stall.
fn behind(proxy: &Proxy, prefix: &str) -> BucketStore {
    let mut setting: BucketSetting = bucket_setting(&proxy.endpoint_url, prefix);
    setting.names_per_page = 1;
    setting.patience.reply = STALL - Duration::from_millis(500);
    setting.patience.stall = STALL - Duration::from_millis(500);
    setting.patience.first_attempts = setting.patience.attempts;
    BucketStore::open(&setting).unwrap()
}

/// Three checkpoints made, listed, restored and verified; an error is no success, and everything
/// that is no error has to be right, as `direct` sees it.
fn one_run(store: &dyn Store, direct: &dyn Store, seed: u64) -> Result<()> {
    for number in 0..3 {
        let mut entries = Entries::new(seed * 10 + number, 4, 200);
        let made = snapshot(store, &setting("run", number as i64), &mut entries)?;
        assert_eq!(made.manifest.sequence, number + 1);
        // What is said to be written is there.
        assert!(restored(direct, &made.manifest).unwrap() == entries.array());
        assert!(restored(store, &made.manifest)? == entries.array());
    }
    let keys = store.manifests()?.keys;
    assert_eq!(keys, direct.manifests().unwrap().keys);
    assert_eq!(keys.len(), 3);
    let mut packs = store.packs()?.packs;
    let mut expected = direct.packs().unwrap().packs;
    packs.sort_unstable();
    expected.sort_unstable();
    assert_eq!(packs, expected);
    for quick in [false, true] {
        let mut verifier = Verifier::new(store, quick);
        verifier.store(&NoProgress)?;
        assert_eq!(verifier.findings, []);
        assert_eq!(verifier.checked.checkpoints, 3);
    }
    Ok(())
}

/// How many of so many runs before `server` finish; several at once, since most of the time is waited.
fn finished_runs(server: &Server, percent: u64, runs: usize) -> usize {
    let proxy = Proxy::start(&server.endpoint_url, percent);
    proxy.fail(percent, &Fault::ALL);
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        return;
                    }
                    let prefix = format!("run-{run}");
                    let direct = BucketStore::open(&server.setting(&prefix)).unwrap();
                    match one_run(&behind(&proxy, &prefix), &direct, run as u64) {
                        Ok(()) => drop(finished.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => {
                            assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Corrupt(_)), "{error}");
                            eprintln!("run {run} at {percent} %: {error}");
                        }
                    }
                }
            });
        }
    });
    let met = proxy.shared.met.lock().unwrap().clone();
    eprintln!("{percent} %: {finished:?} of {runs} runs finished; met {met:?}");
    assert!(met.values().sum::<u64>() > 0);
    finished.into_inner()
}

#[test]
fn one_percent_of_faults() {
    assert_eq!(finished_runs(&Server::s3s(), 1, 60), 60);
}

#[test]
fn five_percent_of_faults() {
    let runs = 100;
    assert!(finished_runs(&Server::s3s(), 5, runs) * 100 >= runs * 99);
}

/// A server of which one of several writers wins.
#[test]
fn five_percent_of_faults_before_moto() {
    assert_eq!(finished_runs(&Server::moto(), 5, 16), 16);
}

/// The nearest to R2 that there is.
#[test]
fn five_percent_of_faults_before_miniflare() {
    assert_eq!(finished_runs(&Server::miniflare(), 5, 16), 16);
}

#[test]
fn twenty_percent_of_faults() {
    assert!(finished_runs(&Server::s3s(), 20, 24) > 0);
}

/// Each fault by itself, in many requests, so that none hides behind another.
#[test]
fn each_fault_is_survived() {
    let server = Arc::new(Server::s3s());
    std::thread::scope(|scope| {
        for fault in Fault::ALL {
            let server = server.clone();
            scope.spawn(move || {
                let proxy = Proxy::start(&server.endpoint_url, fault as u64 + 1);
                proxy.fail(
                    if matches!(fault, Fault::StalledBody | Fault::StalledHead) { 5 } else { 20 },
                    &[fault],
                );
                for run in 0..8 {
                    let prefix = format!("{fault:?}-{run}");
                    let direct = BucketStore::open(&server.setting(&prefix)).unwrap();
                    one_run(&behind(&proxy, &prefix), &direct, run)
                        .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
                    if proxy.shared.met.lock().unwrap().get(&fault).is_some_and(|met| *met > 0) {
                        return;
                    }
                }
                panic!("{fault:?} did not happen");
            });
        }
    });
}

/// Damage in the bucket is told at any rate of faults: no fault makes it look whole.
#[test]
fn damage_is_found_behind_faults() {
    let server = Server::s3s();
    let files = server.files.clone().unwrap();
    for (percent, prefix) in [(1, "a"), (5, "b"), (20, "c")] {
        let direct = BucketStore::open(&server.setting(prefix)).unwrap();
        let mut entries = Entries::new(9, 40, 1000);
        let made = snapshot(&direct, &setting("damaged", 0), &mut entries).unwrap();
        let pack = made.manifest.packs().next().unwrap();
        let path = files.join(prefix).join("packs").join(pack.sha256.to_string());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let proxy = Proxy::start(&server.endpoint_url, 3);
        proxy.fail(percent, &Fault::ALL);
        let store = behind(&proxy, prefix);
        for quick in [false, true] {
            let mut verifier = Verifier::new(&store, quick);
            let verified = verifier.store(&NoProgress);
            assert!(verified.is_err() || !verifier.findings.is_empty(), "{percent} %");
        }
        assert!(restored(&store, &made.manifest).is_err(), "{percent} %");
    }
}

/// The answer to a manifest's Put is lost each time: the refused repetition is known for our own.
#[test]
fn a_lost_reply_to_a_manifest_is_no_conflict() {
    let server = Server::s3s();
    let proxy = Proxy::start(&server.endpoint_url, 11);
    for run in 0..10 {
        proxy.fail(50, &[Fault::LostReply]);
        let store = behind(&proxy, "lost");
        snapshot(&store, &setting("lost", run), &mut Entries::new(run as u64, 2, 10)).unwrap();
    }
    assert_eq!(BucketStore::open(&server.setting("lost")).unwrap().manifests().unwrap().keys.len(), 10);
}

/// A snapshot that was stopped is run again and sends only what had not arrived.
#[test]
fn a_stopped_snapshot_goes_on() {
    let server = Server::s3s();
    let store = BucketStore::open(&server.setting("stopped")).unwrap();
    // More packs than are on their way at once, so that some have arrived.
    let mut entries = Entries::new(12, 700, 100_000);
    let mut session = store.begin().unwrap();
    crate::made::send(session.as_mut(), &setting("stopped", 0), &mut entries).unwrap();
    drop(session);
    let arrived: u64 = store.packs().unwrap().packs.iter().map(|(_, bytes)| bytes).sum();
    let made = snapshot(&store, &setting("stopped", 1), &mut entries).unwrap();
    // What the server had whole when the connection ended may appear after the listing.
    assert!(arrived > 0 && made.new_bytes + arrived <= made.manifest.stored_bytes(), "{arrived} {made:?}");
    assert!(restored(&store, &made.manifest).unwrap() == entries.array());
}

/// Some servers ignore conditions silently. That is noticed once, and told.
#[test]
fn a_server_that_ignores_conditions_is_noticed() {
    let server = Server::s3s();
    let proxy = Proxy::start(&server.endpoint_url, 13);
    for ignores in [false, true] {
        proxy.shared.ignores_conditions.store(ignores, Ordering::Relaxed);
        let store = behind(&proxy, &format!("conditions-{ignores}"));
        for run in 0..3 {
            snapshot(&store, &setting("conditions", run), &mut Entries::new(run as u64, 2, 10)).unwrap();
        }
        assert_eq!(store.warning().is_some(), ignores);
        // Numbers are found by listing one name a page: 0, 1 and 2 pages; the marks, a pack and a
        // manifest each; and one question.
        assert_eq!(store.requests().unwrap().class_a, 1 + 1 + 2 + 9 + 1);
    }
}
