//! Real S3 servers on this machine, each started by the test that needs it and stopped with it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dotctl_stores::bucket::{BucketSetting, Credentials, Patience};
use hyper::service::{Service, service_fn};
use tempfile::TempDir;

pub const BUCKET: &str = "checkpoints";
pub const ACCESS_KEY_ID: &str = "an-access-key";
pub const SECRET_ACCESS_KEY: &str = "a-secret-key";

/// When a server looks at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It has arrived.
    Before,
    /// It was carried out, and is not answered yet.
    After,
}

/// A server that holds one bucket.
pub struct Server {
    pub endpoint_url: String,
    /// Whether only one of several writers that create an object at once is told that it did.
    pub has_one_winner: bool,
    /// Where s3s-fs keeps objects as files, or Miniflare what it persists of the bucket.
    pub files: Option<PathBuf>,
    _running: Running,
}

enum Running {
    InProcess { _runtime: tokio::runtime::Runtime, _folder: TempDir },
    Program { child: Child, _folder: Option<TempDir> },
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Running::Program { child, .. } = self {
            // Its standard input closes first, which ends it and what it has started.
            drop(child.stdin.take());
            let until = Instant::now() + Duration::from_secs(5);
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server {
    /// s3s-fs, in this process: fast, and refuses a wrong hash.
    pub fn s3s() -> Self {
        let folder = crate::support::folder();
        fs::create_dir(folder.path().join(BUCKET)).expect("a folder");
        Server::s3s_of(folder, |_| true)
    }

    /// The same over a folder; `watch` is called with each request and says whether to go on. One that
    /// does not is cut off.
    pub fn s3s_of(folder: TempDir, watch: impl Fn(Moment) -> bool + Send + Sync + 'static) -> Self {
        let files = folder.path().join(BUCKET);
        let watch = Arc::new(watch);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let file_system = s3s_fs::FileSystem::new(folder.path()).expect("a file system");
        let mut service = s3s::service::S3ServiceBuilder::new(file_system);
        service.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = service.build();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, watch) = (service.clone(), watch.clone());
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (service, watch) = (service.clone(), watch.clone());
                    async move {
                        if !watch(Moment::Before) {
                            return Err(io::Error::other("cut off"));
                        }
                        let answer = Service::call(&service, request)
                            .await
                            .map_err(|_| io::Error::other("it failed"))?;
                        if !watch(Moment::After) {
                            return Err(io::Error::other("cut off"));
                        }
                        Ok(answer)
                    }
                });
                tokio::spawn(async move {
                    let _ =
                        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new())
                            .serve_connection(hyper_util::rt::TokioIo::new(socket), service)
                            .await;
                });
            }
        });
        Server {
            endpoint_url: format!("http://{address}"),
            has_one_winner: false,
            files: Some(files),
            _running: Running::InProcess { _runtime: runtime, _folder: folder },
        }
    }

    /// Miniflare's local R2, which is the nearest to R2 that there is.
    pub fn miniflare() -> Self {
        Server::miniflare_of(crate::support::folder(), BUCKET)
    }

    /// The same over what it persisted before.
    pub fn miniflare_of(folder: TempDir, bucket: &str) -> Self {
        let mut server = Server::miniflare_at(folder.path(), bucket);
        if let Running::Program { _folder, .. } = &mut server._running {
            *_folder = Some(folder);
        }
        server
    }

    /// The same in a folder that stays.
    pub fn miniflare_at(folder: &Path, bucket: &str) -> Self {
        let fixtures = crate::support::fixture("workerd");
        let node = fixtures.join("node_modules/.bin/node");
        assert!(node.exists(), "no {}; bring it with: npm ci --prefix fixtures/workerd", node.display());
        let mut command = Command::new(node);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bucket/miniflare.mjs"))
            .args([bucket, ACCESS_KEY_ID, SECRET_ACCESS_KEY])
            .arg(folder);
        let (child, endpoint_url) = start(command);
        Server {
            endpoint_url,
            has_one_winner: true,
            files: Some(folder.join(bucket)),
            _running: Running::Program { child, _folder: None },
        }
    }

    /// moto, which has one winner of a race.
    pub fn moto() -> Self {
        let folder = crate::support::folder();
        let mut command = Command::new(moto_python());
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bucket/moto_server.py"))
            .arg(BUCKET)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        let (child, endpoint_url) = start(command);
        Server {
            endpoint_url,
            has_one_winner: true,
            files: None,
            _running: Running::Program { child, _folder: Some(folder) },
        }
    }

    /// What a store in this server's bucket needs to be told.
    pub fn setting(&self, prefix: &str) -> BucketSetting {
        setting(&self.endpoint_url, prefix)
    }
}

/// What a store at `endpoint_url` needs to be told: with little patience, since nothing is far.
pub fn setting(endpoint_url: &str, prefix: &str) -> BucketSetting {
    BucketSetting {
        scheme: "s3",
        bucket: BUCKET.to_owned(),
        prefix: prefix.to_owned(),
        endpoint_url: Some(endpoint_url.to_owned()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(Credentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        }),
        requests_per_second_max: None,
        names_per_page: BucketSetting::NAMES_PER_PAGE,
        repair: false,
        scratch_folder: std::env::temp_dir(),
        patience: Patience {
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(20),
            stall: Duration::from_secs(20),
            pause: Duration::from_millis(2),
            pause_max: Duration::from_millis(50),
            ..Patience::default()
        },
    }
}

/// Starts a server that prints its address and ends when its standard input does.
fn start(mut command: Command) -> (Child, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let url = line.trim().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"), "{command:?} did not start: {url:?}");
    (child, url)
}

/// The version that these tests were written with.
const MOTO: &str = "moto[server]==5.1.22";

/// A Python that has moto, in an environment of its own below `target/tmp`, made by the first test.
fn moto_python() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let environment = tmp.join("moto");
    let python = environment.join("bin/python");
    let lock = File::create(tmp.join("moto.lock")).expect("a lock");
    lock.lock().expect("the lock");
    let done = environment.join(MOTO);
    if !done.exists() {
        let run = |command: &mut Command| {
            let output = command.output().unwrap_or_else(|error| {
                panic!("{command:?}: {error}; these tests need Python: apt install python3-venv")
            });
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{command:?}: {said}\nthese tests need {MOTO} from PyPI: apt install python3-venv, and a network"
            );
        };
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", MOTO]));
        File::create(done).expect("a mark");
    }
    python
}

/// An address on which nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address")
}
