//! Who may look, and who may cancel.
//!
//! The page listens on this machine only, and has no login. So it is other pages in the same browser that have to be kept out:
//!
//! - A page whose *name* is made to lead to 127.0.0.1 (DNS rebinding) would be of the same origin as this one, and could read it. Its
//!   requests have its name as their `Host`.
//! - A page may post a form to any address. Such a request has that page's `Origin`, and cannot have a header of one's own: that is the
//!   token, which is in this page, made anew at each start.

use std::io;
use std::net::SocketAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// The header that has the token.
const TOKEN: HeaderName = HeaderName::from_static("x-dashboard-token");

pub(crate) struct Access {
    /// What it is called by those who mean it.
    hosts: Vec<String>,
    token: String,
}

/// Why somebody is refused. Its text is for people who wonder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this is not the name of this page's host; use the address that was printed at the start")]
    Host,
    #[error("this request comes from another page")]
    Origin,
    #[error("the token is missing or wrong; it is in the page, and is another one after each start")]
    Token,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::FORBIDDEN, format!("{self}\n")).into_response()
    }
}

impl Access {
    /// For a server that listens here, with a new token.
    pub(crate) fn new(address: SocketAddr) -> io::Result<Self> {
        let (ip, port) = (address.ip(), address.port());
        let mut hosts = vec![address.to_string(), format!("localhost:{port}")];
        if port == 80 {
            let ip = if ip.is_ipv6() {
                format!("[{ip}]")
            } else {
                ip.to_string()
            };
            hosts.extend([ip, "localhost".into()]);
        }
        let token = random()?;
        Ok(Self { hosts, token })
    }

    /// What a request that is more than a look has to have.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Everybody has to know the host's name, no other page may ask, and whoever wants more than to look needs the token.
    pub(crate) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        let host = only(headers, &HOST).filter(|host| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)));
        let host = host.ok_or(Refused::Host)?;
        if headers.contains_key(ORIGIN) {
            let own = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            if own.is_none_or(|own| !own.eq_ignore_ascii_case(host)) {
                return Err(Refused::Origin);
            }
        }
        let only_looks = [Method::GET, Method::HEAD].contains(method);
        if only_looks || only(headers, &TOKEN).is_some_and(|token| is_same(token, &self.token)) {
            Ok(())
        } else {
            Err(Refused::Token)
        }
    }
}

/// The header's text, if there is one such header and not several.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Does not take longer the more of it is right.
fn is_same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differences == 0
}

/// 128 bits that nobody can guess.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(HeaderName, &str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    fn access(address: &str) -> Access {
        Access::new(address.parse().unwrap()).unwrap()
    }

    #[test]
    fn only_the_hosts_own_names_are_known() {
        let access = access("127.0.0.1:3001");
        for host in ["127.0.0.1:3001", "localhost:3001", "LocalHost:3001"] {
            assert_eq!(access.check(&Method::GET, &headers(&[(HOST, host)])), Ok(()), "{host}");
        }
        for host in [
            "127.0.0.1",
            "localhost",
            "localhost:3002",
            "evil.example:3001",
            "127.0.0.1:3001.evil.example",
            "",
        ] {
            let refused = access.check(&Method::GET, &headers(&[(HOST, host)]));
            assert_eq!(refused, Err(Refused::Host), "{host}");
        }
        assert_eq!(access.check(&Method::GET, &HeaderMap::new()), Err(Refused::Host));
        let mut twice = headers(&[(HOST, "127.0.0.1:3001")]);
        twice.append(HOST, "evil.example".parse().unwrap());
        assert_eq!(access.check(&Method::GET, &twice), Err(Refused::Host));
    }

    #[test]
    fn a_browser_leaves_out_port_80() {
        for (address, host) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]:3001", "[::1]:3001"),
        ] {
            assert_eq!(
                access(address).check(&Method::GET, &headers(&[(HOST, host)])),
                Ok(()),
                "{host}"
            );
        }
    }

    #[test]
    fn no_other_origin_may_ask_for_anything() {
        let access = access("127.0.0.1:3001");
        let token = access.token().to_owned();
        let with = |origin: &str| {
            let all = [(HOST, "localhost:3001"), (ORIGIN, origin), (TOKEN, &*token)];
            [Method::GET, Method::POST].map(|method| access.check(&method, &headers(&all)))
        };
        assert_eq!(with("http://localhost:3001"), [Ok(()); 2]);
        for origin in [
            "null",
            "",
            "localhost:3001",
            "https://localhost:3001",
            // Another name of this one is another origin.
            "http://127.0.0.1:3001",
            "http://localhost:3002",
            "http://evil.example",
            "http://localhost:3001.evil.example",
        ] {
            assert_eq!(with(origin), [Err(Refused::Origin); 2], "{origin}");
        }
    }

    #[test]
    fn whoever_wants_more_than_to_look_needs_the_token() {
        let access = access("127.0.0.1:3001");
        let host = (HOST, "127.0.0.1:3001");
        let post = |of: &[(HeaderName, &str)]| access.check(&Method::POST, &headers(of));
        assert_eq!(post(&[host.clone(), (TOKEN, access.token())]), Ok(()));
        assert_eq!(post(std::slice::from_ref(&host)), Err(Refused::Token));
        let longer = format!("{}0", access.token());
        for wrong in ["", &access.token()[1..], &longer, &"0".repeat(32)] {
            assert_eq!(post(&[host.clone(), (TOKEN, wrong)]), Err(Refused::Token), "{wrong}");
        }
        for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            assert_eq!(
                access.check(&method, &headers(std::slice::from_ref(&host))),
                Err(Refused::Token)
            );
        }
    }

    #[test]
    fn each_start_has_a_token_of_its_own() {
        let tokens = [access("127.0.0.1:1"), access("127.0.0.1:1")].map(|access| access.token().to_owned());
        assert_ne!(tokens[0], tokens[1]);
        assert!(tokens.iter().all(|token| token.len() == 32));
    }
}
