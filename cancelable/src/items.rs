//! What the crate and its [prelude](crate::prelude) have in common: everything but the modules and the macros.

pub use cancelable_macros::cancelable;

pub use crate::check_point::CheckPoint;
pub use crate::context::{Context, check, current, is_cancelled, propagate, propagate_fn, remaining};
pub use crate::duration::{ParseDurationError, parse_duration};
pub use crate::error::{Cancelled, FromCancelled};
pub use crate::guard::{Checkpoint, Guard, checkpoint, guard};
pub use crate::iter::{IteratorExt, ScopedIter, TakeUntilCancelled, UntilCancelledIter};
pub use crate::partial::Partial;
pub use crate::path::ScopePath;
pub use crate::reason::{CancelReason, ReasonKind};
pub use crate::scope::{
    AbortHandle, Answer, AskingScope, CancelFutureExt, DrainReport, IntoRace, IntoTryJoin, PartialScope, Place,
    Progress, ProgressInfo, ProgressState, ProgressUpdates, Race, Scope, Scoped, Shield, ShieldWithTimeout, Sleep,
    Source, Spawn, SpawnBlocking, SpawnLocal, Spawner, TaskError, TaskGroup, TaskHandle, TaskId, TaskInfo, TaskOwner,
    TaskOwnerBuilder, TaskPanic, TryJoin, WithCancellation, blocking_sleep, progress, progress_message, race, shield,
    shield_sync, sleep, try_join,
};
pub use crate::sources::{
    All, Any, Condition, Deadline, OnOutput, Sources, all, any, condition, memory_above, on_output,
};
pub use crate::status::{CancelStatus, StatusTable};
pub use crate::stream::{Chunked, ScopedStream, StreamEnd, StreamExt, UntilCancelled, WithCancellationStream};
pub use crate::token::{
    CancelCallback, CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned, WithCancellationTokenFuture, WithCancellationTokenFutureOwned,
};
pub use crate::unwinding::{check_unwinding, unwinding};
