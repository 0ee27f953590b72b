//! A PostgreSQL of the tests' own. The first test process starts it, the others find it, and a watchdog
//! stops and removes it once no test process is left. `SEALPOST_TEST_POSTGRES` names a server to use
//! instead (its user must be allowed to create databases). Without PostgreSQL the tests fail.
#![allow(clippy::unwrap_used)]

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::OnceLock;

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A database that is dropped with its value.
pub struct Database {
    pub url: String,
    name: String,
    server: String,
}

impl Database {
    pub async fn create() -> Self {
        let server = server();
        let name = format!("t{}", uuid::Uuid::now_v7().simple());
        let mut admin = connect(&server).await;
        admin
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("a database for the test");
        admin.close().await.unwrap();
        Self { url: rename(&server, &name), name, server }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The test's runtime is ending; dropping the database takes one of its own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let sql = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                connect(&server).await.execute(sql).await.map(|_| ())
            })
        });
        let _ = dropped.join();
    }
}

/// Ends every connection to a database and lets none in.
pub async fn lock_out(name: &str) {
    let mut admin = connect(&server()).await;
    let sql = format!(
        "ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("locking out");
}

async fn connect(url: &str) -> PgConnection {
    PgConnectOptions::from_str(url).unwrap().connect().await.expect("PostgreSQL of the tests")
}

/// Address of the server's database `postgres`.
fn server() -> String {
    if let Ok(url) = std::env::var("SEALPOST_TEST_POSTGRES") {
        return url;
    }
    /// Held as long as this process lives: tells the watchdog that the server is used.
    static USED: OnceLock<File> = OnceLock::new();
    let dir = std::env::temp_dir().join(format!("sealpost-test-postgres-{}", user_id()));
    USED.get_or_init(|| start_or_join(&dir));
    format!("postgres://postgres@localhost/postgres?host={}", dir.join("run").display())
}

fn user_id() -> String {
    let id = Command::new("id").arg("-u").output().expect("the command id");
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

fn start_or_join(dir: &Path) -> File {
    std::fs::create_dir_all(dir).unwrap();
    let open = |name: &str| File::options().create(true).append(true).open(dir.join(name)).unwrap();
    let starting = open("starting.lock");
    starting.lock().unwrap();
    let used = open("used.lock");
    used.lock_shared().unwrap();
    let answers = |dir: &Path| {
        let probe = as_owner(&format!("{BIN}/pg_isready")).arg("-q").arg("-h").arg(dir.join("run")).status();
        probe.is_ok_and(|s| s.success())
    };
    if !answers(dir) {
        start(dir);
        assert!(answers(dir), "PostgreSQL does not answer; see {}", dir.join("run/log").display());
    }
    used
}

fn start(dir: &Path) {
    let (data, run) = (dir.join("data"), dir.join("run"));
    for path in [&data, &run] {
        let _ = std::fs::remove_dir_all(path);
        std::fs::create_dir_all(path).unwrap();
        if user_id() == "0" {
            run_to_end(Command::new("chown").arg("postgres").arg(path));
        }
    }
    run_to_end(
        as_owner(&format!("{BIN}/initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(&data),
    );
    // Nothing here must survive a power cut, so nothing is flushed.
    let options = format!(
        "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c max_connections=200",
        run.display()
    );
    let log: PathBuf = run.join("log");
    run_to_end(
        as_owner(&format!("{BIN}/pg_ctl"))
            .args(["-w", "-t", "60", "-o", &options, "-D"])
            .arg(&data)
            .arg("-l")
            .arg(log)
            .arg("start"),
    );
    watch(dir);
}

/// Stops the server and removes its files once nobody holds `used.lock`.
fn watch(dir: &Path) {
    let script = r#"cd "$1" || exit
        while sleep 5; do
            exec 8>>starting.lock 9>>used.lock
            if flock -n 8 && flock -n 9; then
                kill -INT "$(head -n 1 data/postmaster.pid)"
                while [ -e data/postmaster.pid ]; do sleep 0.2; done
                rm -rf data run
                exit
            fi
            exec 8>&- 9>&-
        done"#;
    let mut watchdog = Command::new("setsid");
    watchdog.args(["--fork", "sh", "-c", script, "watch"]).arg(dir).stderr(Stdio::null());
    run_to_end(&mut watchdog);
}

/// PostgreSQL refuses to run as root: the package's own user does it then.
fn as_owner(program: &str) -> Command {
    assert!(Path::new(program).exists(), "{program} is missing: install postgresql-15");
    if user_id() != "0" {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", program]).current_dir("/");
    command
}

fn run_to_end(command: &mut Command) {
    // Pipes would stay open in the server that pg_ctl leaves behind.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}

/// The address with another database: what stands behind the host, before the parameters.
fn rename(server: &str, database: &str) -> String {
    let (base, parameters) =
        server.split_once('?').map_or((server, String::new()), |(b, p)| (b, format!("?{p}")));
    let (host, _) = base.rsplit_once('/').expect("the address names a database");
    format!("{host}/{database}{parameters}")
}
