//! The layer and the server as their clients meet them: real sockets, over loopback.

mod body;
mod disconnect;
mod drain;
mod layers;
mod limits;
mod many;
mod support;
