//! What the example programs are made of, so that their tests can reach it. The programs themselves are in `src/bin`.

#![forbid(unsafe_code)]

pub mod digest;
