//! Holds are things with an identity: pending shields and what is like them, wherever they began, whoever polls them (L12).
//!
//! First a table: whatever holds × whatever outlives one await × when the cancel comes × whose it is. Then holds that wander
//! between scopes, tasks and threads, and those that nobody polls any more.

mod crowds;
mod inside;
mod kinds;
mod members;
mod random;
mod rest;
mod table;
mod turns;
mod unpolled;
mod wander;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, Spawn, StreamEnd, StreamExt as _, TaskGroup,
    cancel_scope, cancelable, check, current, guard, is_cancelled, race, shield, sleep, thread, try_join,
};
use futures::channel::oneshot::{self, Receiver};
use futures::future::{self, BoxFuture, Either, FutureExt as _};
use futures::stream::{self, FuturesOrdered, FuturesUnordered, StreamExt as _};
use tests::step::{Driven, Log, two_halves};
use tests::{Runtime, paused_tokio, poll_once};

use crowds::*;
use kinds::*;
use members::*;
use table::*;
use turns::*;
use wander::*;

type Outcome = Result<(), Cancelled>;
type Boxed = BoxFuture<'static, Outcome>;

/// An hour: a limit that no test is to reach.
const LONG: Duration = Duration::from_secs(3600);
