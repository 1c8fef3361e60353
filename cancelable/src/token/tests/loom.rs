//! Models of the token under loom; see `PROTOCOL.md`.
