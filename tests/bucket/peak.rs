//! Memory of the commands on what does not compress, so that chunks and packs are as large as they get.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::dotctl_at;
use crate::servers::Server;
use crate::support::{folder, sha256_of};

const PEAK_BYTES_MAX: u64 = 128 << 20;

/// Runs `command` to its end: the most memory it had. It is asked of the process itself while it runs, since
/// what the system tells afterwards includes the peak of this process, in which the server is.
fn peak_bytes(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status_path = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0;
    let status = loop {
        let text = std::fs::read_to_string(&status_path).unwrap_or_default();
        let told = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        // Before the program begins, it is this one's.
        if std::fs::read_link(format!("/proc/{}/exe", child.id())).is_ok_and(|exe| exe.ends_with("dotctl")) {
            peak_bytes = peak_bytes.max(told.map_or(0, |kibibytes| kibibytes.parse::<u64>().unwrap() << 10));
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{command:?}: {said}");
    peak_bytes
}

fn write_database(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA cache_size = -1000;
             PRAGMA journal_mode = OFF;
             CREATE TABLE records (number INTEGER PRIMARY KEY, value BLOB);
             BEGIN;
             WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 50000)
             INSERT INTO records SELECT n, randomblob(4000) FROM number;
             COMMIT;",
        )
        .unwrap();
}

#[test]
fn no_command_takes_more_than_128_mib() {
    let (server, work) = (Server::s3s(), folder());
    let source = work.path().join("random.sqlite");
    write_database(&source);
    for chunk_bytes in ["1MiB", "4MiB"] {
        let target = work.path().join(chunk_bytes);
        let namespace = chunk_bytes.to_lowercase();
        let latest = format!("{namespace}@latest");
        let target_text = target.to_str().unwrap();
        let lines = [
            &["snapshot", source.to_str().unwrap(), "--chunk-bytes", chunk_bytes, "--namespace", &namespace]
                [..],
            &["restore", &latest, "--to", target_text],
            &["verify", &latest],
        ];
        for line in lines {
            let peak_bytes = peak_bytes(dotctl_at(&server.endpoint_url).args(line));
            eprintln!("{}: {} MiB", line.join(" "), peak_bytes >> 20);
            assert!(peak_bytes > 16 << 20, "{line:?}: nothing was measured");
            assert!(peak_bytes < PEAK_BYTES_MAX, "{line:?} takes {peak_bytes} bytes");
        }
        assert_eq!(sha256_of(&target), sha256_of(&source));
        std::fs::remove_file(&target).unwrap();
    }
}
