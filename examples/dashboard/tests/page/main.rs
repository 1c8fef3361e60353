//! The page as it is met: over plain sockets, and in a browser.

#![cfg(unix)]

mod program;

mod driver;
mod picture;

mod browser;
mod http;
