//! Whitebox tests, in the order of the parts.
//!
//! Nothing here sleeps to let something happen, and nothing asserts that it happened soon.

mod driver;
mod wheel;
