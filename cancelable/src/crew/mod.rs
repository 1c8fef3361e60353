//! The library's own threads: starting them, noticing when one ends, and replacing one that is stuck in user code.
//!
//! Two jobs in a process need a thread: the timer's and the watcher's. Each is a [`Crew`] with one [`Post`]. One thread
//! at a time is *on duty*; it is started when somebody first needs it.
//!
//! - *It cannot be started.* Then [`staff`] says so, and the next who needs it tries again.
//! - *It ends*, which only a fault of the library could cause, or is lost in a `fork`. The post is vacant then, and the next who
//!   needs it starts another. What was queued is in the crew's own state, never in the thread's.
//! - *It is stuck* in a piece of user code (a waker, a callback, a future, a condition). The [`overseer`] has another thread
//!   take over the post after [`PATIENCE`](overseer) to twice that, so one piece of user code holds up the rest no longer. When the
//!   stuck thread comes back it ends. At most [`MOST_STUCK`] threads of a crew are stuck at a time; with one more, the rest
//!   waits until one of them comes back.

mod spawn;

mod post;

mod overseer;

mod shift;

pub(crate) use overseer::staff;
pub(crate) use post::{Crew, Held, Post};
pub(crate) use shift::Shift;
pub(crate) use spawn::spawn;
