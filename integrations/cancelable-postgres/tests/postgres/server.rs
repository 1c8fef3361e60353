//! A PostgreSQL server of the tests' own.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tokio_postgres::{Client, Config, NoTls};

/// A server with files of its own. It ends with this; and with the process, whichever way that ends, for it waits for the end of a
/// pipe.
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    /// Of the server, in PEM: for `localhost`, signed by itself.
    pub(crate) certificate: String,
    process: Child,
}

/// Another program may take the port before the server does.
const TRIES: u32 = 5;

impl Server {
    /// The one that the tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub(crate) fn start() -> Self {
        let programs = programs();
        let mut said = String::new();
        for _ in 0..TRIES {
            let (server, text) = Self::try_start(&programs);
            if text == "ready\n" {
                return server;
            }
            said = text;
        }
        panic!("PostgreSQL's server does not start:\n{said}");
    }

    /// With what it says: "ready", or else all until its end.
    fn try_start(programs: &Path) -> (Self, String) {
        let folder = new_folder();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = signed.cert.pem();
        fs::write(folder.join("server.crt"), &certificate).unwrap();
        let mut options = fs::OpenOptions::new();
        let key = options.write(true).create_new(true).mode(0o600);
        std::io::Write::write_all(
            &mut key.open(folder.join("server.key")).unwrap(),
            signed.signing_key.serialize_pem().as_bytes(),
        )
        .unwrap();

        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new("sh")
            .args(["-c", include_str!("server.sh"), "server.sh"])
            .args([programs, &folder, Path::new(&port.to_string())])
            .current_dir("/")
            // What ends the tests' group, Ctrl-C for one, is not to end it before it has cleaned up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut text = String::new();
        stdout.read_line(&mut text).unwrap();
        if text != "ready\n" {
            stdout.read_to_string(&mut text).unwrap();
        }
        let server = Self {
            folder,
            port,
            certificate,
            process,
        };
        (server, text)
    }

    /// Over TCP. The name is the connections' in `pg_stat_activity`.
    pub(crate) fn config(&self, name: &str) -> Config {
        let mut config = Config::new();
        config.host("localhost").hostaddr([127, 0, 0, 1].into()).port(self.port);
        config.user("postgres").dbname("postgres").application_name(name);
        config
    }

    pub(crate) fn unix_config(&self, name: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.folder).port(self.port);
        config.user("postgres").dbname("postgres").application_name(name);
        config
    }

    /// A plain client.
    pub(crate) async fn connect(&self, name: &str) -> Client {
        let (client, connection) = self.config(name).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The folder of `initdb` and `pg_ctl`: `PG_BIN`, or where Debian has them, the newest version first, or that of the search path.
fn programs() -> PathBuf {
    let has_them = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let path = env::var_os("PATH").unwrap_or_default();
    env::var_os("PG_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(versions.into_iter().map(|folder| folder.join("bin")))
        .chain(env::split_paths(&path))
        .find(has_them)
        .expect(
            "these tests need PostgreSQL's server: install it (on Debian: apt-get install postgresql), or name the folder of its \
             initdb and pg_ctl in the environment variable PG_BIN",
        )
}

fn new_folder() -> PathBuf {
    let named = |n| env::temp_dir().join(format!("cancelable-postgres-{}-{n}", std::process::id()));
    (0..1000)
        .map(named)
        .find(|folder| fs::create_dir(folder).is_ok())
        .expect("a folder for temporary files, in which a folder can be made")
}
