//! Connections under TLS, and over other kinds of sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cancelable::CancellationToken;
use cancelable_postgres::{BadConfig, Canceller};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::yield_now;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::server::Server;

/// Counts connections.
#[derive(Clone)]
struct Counted(MakeRustlsConnect, Arc<AtomicUsize>);

impl<S> MakeTlsConnect<S> for Counted
where
    MakeRustlsConnect: MakeTlsConnect<S>,
{
    type Stream = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<S>>::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, Self::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.make_tls_connect(domain)
    }
}

fn tls(server: &Server) -> Counted {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Counted(MakeRustlsConnect::new(config), Arc::default())
}

/// Cancels a query, and runs the next one.
async fn cancel(client: Client, canceller: &Canceller, name: &str) {
    let mut client = canceller.wrap(client);
    let token = CancellationToken::new();
    let cancel = async {
        let admin = Server::shared().connect("admin").await;
        let running = "SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep'";
        while admin.query(running, &[&name]).await.unwrap().is_empty() {
            yield_now().await;
        }
        token.cancel();
    };
    let (slept, ()) = futures::join!(token.scope(client.query("SELECT pg_sleep(100000)", &[])), cancel);
    assert!(slept.unwrap_err().cancelled().is_some());
    client.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn requests_go_over_tls_like_the_connection() {
    let server = Server::shared();
    let mut config = server.config("tls");
    config.ssl_mode(SslMode::Require);
    let tls = tls(server);
    let (client, connection) = config.connect(tls.clone()).await.unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        .await;
    assert!(row.unwrap().get::<_, bool>(0));
    let before = tls.1.load(Ordering::Relaxed);
    cancel(client, &Canceller::new(&config, tls.clone()).unwrap(), "tls").await;
    assert!(tls.1.load(Ordering::Relaxed) > before);
}

#[test]
fn what_cannot_work_is_refused() {
    let mut config = Config::new();
    assert_eq!(Canceller::new(&config, NoTls).unwrap_err(), BadConfig::NoHost);
    config.host("one").host("two").hostaddr([127, 0, 0, 1].into());
    let (hosts, addresses, ports) = (2, 1, 0);
    let unequal = BadConfig::Unequal {
        hosts,
        addresses,
        ports,
    };
    assert_eq!(Canceller::new(&config, NoTls).unwrap_err(), unequal);
    let mut config = Config::new();
    config.host("localhost").ssl_mode(SslMode::Require);
    let error = Canceller::new(&config, NoTls).unwrap_err();
    assert!(error.to_string().contains("sslmode=require"), "{error}");
}

#[tokio::test]
async fn requests_go_over_a_unix_socket_like_the_connection() {
    let server = Server::shared();
    let config = server.unix_config("unix");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    cancel(client, &Canceller::new(&config, NoTls).unwrap(), "unix").await;
}

/// It is one of several, and not the first.
#[tokio::test]
async fn requests_go_to_all_hosts() {
    let server = Server::shared();
    let mut config = Config::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    config.host("localhost").port(free).host("localhost").port(server.port);
    config.user("postgres").dbname("postgres").application_name("hosts");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    cancel(client, &Canceller::new(&config, NoTls).unwrap(), "hosts").await;
}
