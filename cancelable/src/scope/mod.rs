//! Regions with an end: scopes, shields, and tokens made ambient.
//!
//! What holds inside: the region's token is the ambient one, on every poll and in every destructor of the body. What
//! holds after: the outer code's token is back, and whatever the scope started has been told to stop.

mod ambient;
mod asking;
mod behaviour;
mod branch;
mod branches;
mod catch;
mod enter;
mod group;
mod idle;
mod lent;
mod listening;
mod options;
mod owner;
mod parent;
mod partial;
#[allow(unsafe_code, reason = "drops a pinned body in place")]
mod place;
mod plan;
mod progress;
mod race;
mod region;
mod region_state;
mod round;
mod run;
#[allow(unsafe_code, reason = "an auto trait, stated")]
mod send;
mod shield;
mod sleep;
mod source;
#[allow(unsafe_code, reason = "keeps memory for states; see the head of the file")]
mod state;
mod token_origin;
mod try_join;
mod wait;

pub use ambient::{CancelFutureExt, Scoped, WithCancellation};
pub use asking::{Answer, AskingScope};
pub(crate) use group::{Shared as GroupShared, run_blocking};
pub use group::{Spawn, SpawnBlocking, SpawnLocal, Spawner, TaskError, TaskGroup, TaskPanic};
pub use lent::Lent;
pub use options::Scope;
pub use owner::{AbortHandle, DrainReport, Place, TaskHandle, TaskId, TaskInfo, TaskOwner, TaskOwnerBuilder};
pub use partial::PartialScope;
pub use progress::{Progress, ProgressInfo, ProgressState, ProgressUpdates, progress, progress_message};
pub use race::{IntoRace, Race, race};
pub use run::Run;
pub(crate) use run::{IsFailure, Telling, is_failure};
pub(crate) use shield::shield_sync_timeout;
pub use shield::{Shield, ShieldWithTimeout, shield, shield_sync};
pub use sleep::{Sleep, blocking_sleep, sleep};
pub use source::Source;
pub(crate) use source::{Begun, Fired, Watch};
pub use try_join::{IntoTryJoin, TryJoin, try_join};
