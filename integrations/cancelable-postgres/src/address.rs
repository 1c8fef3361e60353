//! Where cancel requests go.

use std::io;
use std::net::IpAddr;
#[cfg(unix)]
use std::path::PathBuf;

use tokio::net::{TcpStream, lookup_host};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::error::BadConfig;
use crate::stream::Socket;

/// One host of a configuration, as tokio-postgres reads it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    at: At,
    port: u16,
    /// For the server's certificate.
    pub(crate) hostname: String,
}

#[derive(Clone, Debug)]
enum At {
    Ip(IpAddr),
    Name(String),
    #[cfg(unix)]
    Unix(PathBuf),
}

const DEFAULT_PORT: u16 = 5432;

impl Address {
    pub(crate) fn all(config: &Config) -> Result<Vec<Self>, BadConfig> {
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = hosts.len().max(addresses.len());
        if count == 0 {
            return Err(BadConfig::NoHost);
        }
        let fits = |n: usize| n == 0 || n == count;
        if !fits(hosts.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
            return Err(BadConfig::Unequal {
                hosts: hosts.len(),
                addresses: addresses.len(),
                ports: ports.len(),
            });
        }
        let one = |i: usize| {
            let (at, hostname) = match (addresses.get(i), hosts.get(i)) {
                (Some(ip), Some(Host::Tcp(name))) => (At::Ip(*ip), name.clone()),
                (Some(ip), _) => (At::Ip(*ip), String::new()),
                (None, Some(Host::Tcp(name))) => (At::Name(name.clone()), name.clone()),
                #[cfg(unix)]
                (None, Some(Host::Unix(folder))) => (At::Unix(folder.clone()), String::new()),
                (None, None) => return None,
            };
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
            Some(Self { at, port, hostname })
        };
        Ok((0..count).filter_map(one).collect())
    }

    /// A socket for each address that the name has now. Those that cannot be reached are errors.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<Self>> {
        let At::Name(name) = &self.at else {
            return Ok(vec![self.clone()]);
        };
        let found = lookup_host((name.as_str(), self.port)).await?;
        let found = found.map(|found| Self {
            at: At::Ip(found.ip()),
            ..self.clone()
        });
        Ok(found.collect())
    }

    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Socket>> {
        let stream = match &self.at {
            At::Ip(ip) => TcpStream::connect((*ip, self.port)).await?,
            At::Name(name) => TcpStream::connect((name.as_str(), self.port)).await?,
            #[cfg(unix)]
            At::Unix(folder) => {
                let socket = folder.join(format!(".s.PGSQL.{}", self.port));
                return Ok(Box::new(tokio::net::UnixStream::connect(socket).await?));
            }
        };
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
