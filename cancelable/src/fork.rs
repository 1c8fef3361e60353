//! What becomes of the library in a process made by `fork` without `exec`.
//!
//! `fork` copies the memory and one thread. The copy has none of the library's own threads, and a lock that another
//! thread held at that moment would stay locked in it for ever. So the forking thread takes the library's process-wide
//! locks first, keeps them across the fork, and gives them back on both sides. In the child it then marks the library's
//! threads as gone.
//!
//! Nothing is started in the child: it may be about to `exec`, and what it does before that may need a process with a
//! single thread (`unshare`, `setns`). The library's threads are started again when somebody needs them. What would
//! never ask for them, because nothing looked due, is made to look closer; see [`Hook::recover`].
//!
//! Unix only. Elsewhere there is no `fork`.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one layer of the library does about a fork. All of it runs on the forking thread.
pub(crate) struct Hook {
    /// Takes the layer's locks and keeps them.
    pub(crate) before: fn(),
    /// Gives the locks back; in the child, first marks the layer's threads as gone.
    pub(crate) after: fn(is_child: bool),
    /// In the child, when all locks are free: makes what the lost threads watched look closer. Runs nothing of the user's.
    pub(crate) recover: fn(),
}

/// The layers that have something to do. Locks are taken in this order.
#[derive(Clone, Copy)]
pub(crate) enum Layer {
    Trees,
    Waits,
    Crews,
    #[cfg_attr(
        not(any(feature = "registry", feature = "tracing")),
        expect(dead_code, reason = "nobody observes")
    )]
    Observers,
}

const LAYERS: usize = 4;

static HOOKS: [OnceLock<Hook>; LAYERS] = [const { OnceLock::new() }; LAYERS];

static IS_CHILD: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_RECOVERING: Cell<bool> = const { Cell::new(false) };
}

/// Has `hook` run at every fork from now on. Called before the layer first takes a lock that it holds then; the second call and
/// later ones do nothing, and are one load.
#[inline]
pub(crate) fn register(layer: Layer, hook: fn() -> Hook) {
    if HOOKS[layer as usize].get().is_none() {
        HOOKS[layer as usize].get_or_init(hook);
        system::install();
    }
}

/// Is this process the child of a fork that the library knows of? If so, a library thread is not to have a stack that was one
/// of a lost thread's (glibc gives them to new threads): futures that wait for a token may be on it.
pub(crate) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}

/// Is this thread in the middle of a fork, in the child, where nothing of the user's may run?
pub(crate) fn is_recovering() -> bool {
    IS_RECOVERING.get()
}

fn hooks() -> impl Iterator<Item = &'static Hook> {
    HOOKS.iter().filter_map(OnceLock::get)
}

fn before() {
    hooks().for_each(|hook| (hook.before)());
}

fn after(is_child: bool) {
    hooks().for_each(|hook| (hook.after)(is_child));
    if is_child {
        IS_CHILD.store(true, Ordering::Relaxed);
        IS_RECOVERING.set(true);
        hooks().for_each(|hook| (hook.recover)());
        IS_RECOVERING.set(false);
    }
}

#[cfg(all(unix, not(cancelable_loom)))]
mod system {
    use std::ffi::c_int;
    use std::sync::Once;

    // SAFETY: the declaration is that of POSIX, and of the crate `libc`. It only stores the three functions, which may be
    // called at any fork, on the thread that forks; they are safe functions, and none of them unwinds.
    unsafe extern "C" {
        safe fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> c_int;
    }

    extern "C" fn prepare() {
        super::before();
    }

    extern "C" fn parent() {
        super::after(false);
    }

    extern "C" fn child() {
        super::after(true);
    }

    pub(super) fn install() {
        static ONCE: Once = Once::new();
        // It fails only without memory for one entry. Then children are as they would be without this module.
        ONCE.call_once(|| _ = pthread_atfork(Some(prepare), Some(parent), Some(child)));
    }
}

#[cfg(not(all(unix, not(cancelable_loom))))]
mod system {
    pub(super) fn install() {}
}
