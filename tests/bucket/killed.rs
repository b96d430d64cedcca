//! `kill -9` at one request of a command.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::servers::{Moment, Server};
use crate::support::Ran;

/// Runs what `command` gives on a server of the folder `root` and kills it at one moment of the request
/// `number`, from 1 on; the server, and how many requests there were. `what` names the run where it ended
/// otherwise than so.
pub fn killed_at(
    root: TempDir,
    moment: Moment,
    number: usize,
    command: impl FnOnce(&Server) -> Command,
    what: &str,
) -> (Server, usize) {
    let pid = Arc::new(AtomicI32::new(0));
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Server::s3s_of(root, {
        let (pid, requests) = (pid.clone(), requests.clone());
        move |now| {
            if pid.load(Ordering::SeqCst) < 0
                || now != moment
                || requests.fetch_add(1, Ordering::SeqCst) + 1 != number
            {
                return true;
            }
            while pid.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let _ = kill(Pid::from_raw(pid.load(Ordering::SeqCst)), Signal::SIGKILL);
            false
        }
    });
    let child = command(&server).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    pid.store(child.id() as i32, Ordering::SeqCst);
    let ran = Ran::of(child.wait_with_output().unwrap());
    pid.store(-1, Ordering::SeqCst);
    let count = requests.load(Ordering::SeqCst);
    let is_killed = (1..=count).contains(&number);
    assert!(if is_killed { ran.signal == Some(9) } else { ran.code == Some(0) }, "{what}: {ran:?}");
    (server, count)
}
