//! What `digest` is made of, so that its tests can reach it. The program itself is in `src/bin`, and small ones to copy are in
//! `examples`.

#![forbid(unsafe_code)]

pub mod digest;
