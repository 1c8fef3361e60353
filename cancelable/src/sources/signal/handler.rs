//! The signal handler, and the few calls of the system that it needs: all of signals that is unsafe.
//!
//! A handler runs in the middle of anything, so it may call only what is async-signal-safe. [`arrived`] does with loads and
//! stores of atomics, `getpid`, `clock_gettime`, `sem_post`, and the default action of `signal-hook`, which promises to be so. It takes no
//! lock, allocates nothing and cannot panic.
//!
//! A forked child inherits the handler, but not the thread that it notifies. So the handler looks whether the state it finds
//! is this process's own ([`current`]). If not, nobody in this process has asked for signals, and the signal has its default
//! action. Nothing that parent and child could share is touched: not a socket, for there is none.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use signal_hook::low_level;

use super::default_action;
use super::listeners::{BOUND, Listeners};
use super::owner::{self, Owner};

/// What a process knows of signals.
pub(super) struct Process {
    owner: Owner,
    pub(super) listeners: Listeners,
    /// By number: how many have arrived that the thread has not seen.
    arrived: [AtomicU32; BOUND],
    /// Wakes the thread.
    bell: OnceLock<Bell>,
    /// Bit by number: asked for by this process.
    pub(super) installed: AtomicU64,
    /// Is the thread there? Locked while a signal is installed.
    pub(super) has_thread: Mutex<bool>,
}

/// Made by the process that needed it last: this one, or the one that it was forked from.
static CURRENT: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

/// This process's, if it has asked for signals. Async-signal-safe.
fn current() -> Option<&'static Process> {
    // SAFETY: the pointer is null or comes from the `Box::into_raw` in `current_or_new`, whose box is whole before it is
    // stored with `Release`, is lent only as `&Process` from then on, and is never freed.
    let process = unsafe { CURRENT.load(Ordering::Acquire).as_ref() }?;
    process.owner.is_current().then_some(process)
}

/// This process's. What it has inherited is left as it is for good: other threads of the parent may have held its locks.
pub(super) fn current_or_new() -> &'static Process {
    loop {
        let inherited = CURRENT.load(Ordering::Acquire);
        if let Some(process) = current() {
            return process;
        }
        let owner = Owner::current();
        let new = Box::into_raw(Box::new(Process {
            owner,
            listeners: Listeners::of(owner),
            arrived: [const { AtomicU32::new(0) }; BOUND],
            bell: OnceLock::new(),
            installed: AtomicU64::new(0),
            has_thread: Mutex::new(false),
        }));
        let published = CURRENT.compare_exchange(inherited, new, Ordering::AcqRel, Ordering::Acquire);
        if published.is_err() {
            // SAFETY: `new` comes from `Box::into_raw` above, and as it was not stored, nobody else has it.
            drop(unsafe { Box::from_raw(new) });
        }
    }
}

impl Process {
    /// What the thread waits for; made when first asked for, by one thread at a time.
    pub(super) fn bell(&self) -> io::Result<&Bell> {
        if let Some(bell) = self.bell.get() {
            return Ok(bell);
        }
        let bell = Bell::new()?;
        Ok(self.bell.get_or_init(|| bell))
    }

    /// Numbers of the signals that have arrived since this was asked last, each as often as it did.
    pub(super) fn take_arrivals(&self) -> impl Iterator<Item = i32> {
        let counted = self.arrived.iter().map(|count| count.swap(0, Ordering::AcqRel));
        (0..)
            .zip(counted)
            .flat_map(|(number, count)| (0..count).map(move |_| number))
    }
}

/// How many of one signal may wait for the thread: as many as a scope has patience for. The next one has its default action,
/// as it would if they had been seen.
const UNSEEN: u32 = 2;

/// The handler's part. Async-signal-safe.
fn arrived(number: i32) {
    let (Some(process), Ok(index)) = (current(), usize::try_from(number)) else {
        return default_action::act_in_handler(number);
    };
    if process.listeners.is_echo(index) {
        return;
    }
    if process.listeners.is_default_in_force(index) {
        default_action::act_in_handler(number);
    }
    if process.arrived[index].fetch_add(1, Ordering::AcqRel) >= UNSEEN {
        // Nobody sees them: a callback of the user's keeps the thread. Whoever sends one after the other is to be heard.
        default_action::act_in_handler(number);
    }
    if let Some(bell) = process.bell.get() {
        bell.ring();
    }
}

// Registration --------------------------------------------------------------------------------------------------------

/// By number: the function that the system calls, once we are registered. Children inherit both, so a signal is registered
/// once, however often processes fork.
static REGISTERED: [AtomicUsize; BOUND] = [const { AtomicUsize::new(NONE) }; BOUND];

/// The handler of `signal-hook`, which calls all who are registered there, and those who handled the signal before; once it
/// is known.
static SHARED: AtomicUsize = AtomicUsize::new(NONE);

/// No function has this address, nor the next one.
const NONE: usize = usize::MAX;
const REPLACED: usize = usize::MAX - 1;

/// Has the handler called, from now on for good.
pub(super) fn register(number: i32) -> io::Result<()> {
    watch_forks();
    let _registering = Registering::begin();
    let registered = registered(number)?;
    if registered.load(Ordering::Acquire) != NONE {
        return Ok(());
    }
    let (before, _) = disposition(number)?;
    // Does somebody else handle or ignore it? Then what it does when nobody listens is not ours to say.
    if before == libc::SIG_DFL {
        default_action::take_charge(number);
    }
    if Owner::is_forked() && [libc::SIG_DFL, libc::SIG_IGN].contains(&before) {
        // Of `signal-hook`'s locks, threads of the parent may have held one.
        return register_alone(number, registered);
    }
    // SAFETY: the action has to be async-signal-safe and must not panic: see the head of this file for `arrived`.
    unsafe { low_level::register(number, move || arrived(number)) }?;
    let (after, flags) = disposition(number)?;
    if after != before {
        SHARED.store(after, Ordering::Release);
    } else if flags & libc::SA_SIGINFO == 0 {
        // It is not theirs, though they take it to be installed: somebody has replaced it before we came.
        registered.store(REPLACED, Ordering::Release);
        return Ok(());
    }
    registered.store(after, Ordering::Release);
    Ok(())
}

/// Without `signal-hook`, where nobody handles the signal so far.
fn register_alone(number: i32, registered: &AtomicUsize) -> io::Result<()> {
    extern "C" fn handler(number: libc::c_int) {
        arrived(number);
    }
    // SAFETY: all zeroes are no flags, an empty mask, and the default action, which is replaced.
    let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is whole, and its handler is async-signal-safe and cannot panic: see the head of this file.
    if unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    registered.store(action.sa_sigaction, Ordering::Release);
    Ok(())
}

/// Has somebody put another handler in place of the one we are registered with? If that is `signal-hook`'s, we are called.
pub(super) fn is_replaced(number: i32) -> io::Result<bool> {
    let (address, _) = disposition(number)?;
    let registered = registered(number)?.load(Ordering::Acquire);
    Ok(![registered, SHARED.load(Ordering::Acquire)].contains(&address))
}

fn registered(number: i32) -> io::Result<&'static AtomicUsize> {
    let index = usize::try_from(number).map_err(io::Error::other)?;
    REGISTERED.get(index).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// What the system does with a signal: the address of a function, or `SIG_DFL`, or `SIG_IGN`; and flags.
fn disposition(number: i32) -> io::Result<(usize, libc::c_int)> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `action` is a place for the system to write to; without a new action nothing changes.
    if unsafe { libc::sigaction(number, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has succeeded, so it has written it.
    let action = unsafe { action.assume_init() };
    Ok((action.sa_sigaction, action.sa_flags))
}

/// While it is there, this process does not fork: a child would never know how far the other thread had come.
struct Registering;

/// Who holds it.
static REGISTERING: AtomicU8 = AtomicU8::new(NOBODY);
const NOBODY: u8 = 0;
const REGISTRATION: u8 = 1;
const FORK: u8 = 2;

fn try_lock(who: u8) -> bool {
    let locked = REGISTERING.compare_exchange(NOBODY, who, Ordering::Acquire, Ordering::Relaxed);
    locked.is_ok()
}

impl Registering {
    fn begin() -> Self {
        while !try_lock(REGISTRATION) {
            thread::yield_now();
        }
        Self
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        REGISTERING.store(NOBODY, Ordering::Release);
    }
}

/// Has forks wait for registrations, and children know that they are.
fn watch_forks() {
    static ARE_WATCHED: AtomicBool = AtomicBool::new(false);

    extern "C" fn before() {
        // Not for ever: a handler that forks may have interrupted the registration.
        for _ in 0..10_000 {
            if try_lock(FORK) {
                break;
            }
            thread::yield_now();
        }
    }
    extern "C" fn after_in_parent() {
        // If it was not locked by us, it is not ours to unlock.
        let _ = REGISTERING.compare_exchange(FORK, NOBODY, Ordering::Release, Ordering::Relaxed);
    }
    extern "C" fn after_in_child() {
        owner::has_forked();
        REGISTERING.store(NOBODY, Ordering::Release);
    }

    if !ARE_WATCHED.swap(true, Ordering::AcqRel) {
        // Should there be no room for it, process ids do nearly as well.
        // SAFETY: the functions live as long as the program, do not unwind, and use atomics only, which is all that a child
        // of a process with several threads may do.
        unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    }
}

// The bell ------------------------------------------------------------------------------------------------------------

/// Wakes a thread from a handler. A semaphore, which is memory of this process only: unlike a pipe or a socket it is not
/// shared with children, is not closed by those who close all files, and needs no file descriptor.
pub(super) struct Bell {
    /// Never freed.
    semaphore: *mut libc::sem_t,
}

// SAFETY: a semaphore is made for use by several threads, and this one is used by way of the raw pointer only.
unsafe impl Send for Bell {}
// SAFETY: likewise.
unsafe impl Sync for Bell {}

impl Bell {
    #[cfg(not(target_vendor = "apple"))]
    fn new() -> io::Result<Self> {
        let semaphore = Box::into_raw(Box::new(MaybeUninit::<libc::sem_t>::zeroed())).cast::<libc::sem_t>();
        // SAFETY: `semaphore` comes from `Box::into_raw` above, and nobody else has it yet.
        if unsafe { libc::sem_init(semaphore, 0, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { semaphore })
    }

    /// Apple's system has only semaphores with a name, which nobody needs to know for long.
    #[cfg(target_vendor = "apple")]
    fn new() -> io::Result<Self> {
        use std::ffi::{CString, c_int, c_uint};

        let name = CString::new(format!("/cancelable-{}", std::process::id()))?;
        // Left by a process of this id that was killed between the next two calls.
        // SAFETY: `name` is a string that ends in a zero.
        unsafe { libc::sem_unlink(name.as_ptr()) };
        let (mode, value): (c_int, c_uint) = (0o600, 0);
        // SAFETY: as above; with `O_CREAT` follow a mode and a value, of these types.
        let semaphore = unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT | libc::O_EXCL, mode, value) };
        if semaphore == libc::SEM_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above. The semaphore stays until it is closed, which it never is.
        unsafe { libc::sem_unlink(name.as_ptr()) };
        Ok(Self { semaphore })
    }

    /// Async-signal-safe.
    fn ring(&self) {
        // SAFETY: `new` has made a semaphore there, which is never freed.
        unsafe { libc::sem_post(self.semaphore) };
    }

    /// Waits until it has been rung once more than this has returned.
    pub(super) fn wait(&self) {
        // Interrupted by a handler, it returns early; then one looks in vain for what has arrived, and comes back.
        // SAFETY: `new` has made a semaphore there, which is never freed.
        unsafe { libc::sem_wait(self.semaphore) };
    }
}
