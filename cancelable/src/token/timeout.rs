//! Deadlines of tokens: setting them, asking for them, and having them watched.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::deadline::{Deadline, Moment, Watch};
use super::expiry::{Expiry, is_unwatched, were_unwatched};
use super::handle::CancellationToken;
use super::tree::{Extras, Handle, WeakHandle};
use crate::clock;
use crate::reason::CancelReason;
use crate::timer;

impl CancellationToken {
    /// Cancels the token when `after` has passed, with kind [`Timeout`](crate::ReasonKind::Timeout).
    ///
    /// It goes by real time, also in a test that pauses tokio's clock: a token belongs to no runtime. In such a test, set the
    /// [timeout](crate::Scope::timeout) of a scope, which follows that clock.
    ///
    /// A timer thread, one per process and started on first need, does it, whatever the token's holders are doing. Zero
    /// cancels at once. A duration too long for the clock ([`Duration::MAX`] for one) is no deadline. Of several, the
    /// earliest counts. A token whose last handle is dropped takes its timer along.
    ///
    /// # Without a timer thread
    ///
    /// The system may have no thread to give, and a process made by `fork` has none until it needs one. Then whoever asks the
    /// token, or waits for it, looks at the clock. A task that waits is polled once a millisecond for that. So the deadline
    /// comes all the same, but callbacks run only when somebody looks. A task that was waiting before the deadline was set does
    /// not know of it: it looks when it is polled next.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use std::time::Duration;
    ///
    /// let token = CancellationToken::new();
    /// token.cancel_after(Duration::from_millis(5));
    /// token.wait();
    /// assert!(token.check().unwrap_err().is_timeout());
    /// ```
    #[track_caller]
    pub fn cancel_after(&self, after: Duration) {
        if let Some(at) = Instant::now().checked_add(after) {
            self.set_deadline(Deadline::new(at, Some(after), Location::caller()));
        }
    }

    /// Cancels the token at `at`, as [`cancel_after`](Self::cancel_after) does; at once if that is past.
    #[track_caller]
    pub fn cancel_at(&self, at: Instant) {
        self.set_deadline(Deadline::new(at, None, Location::caller()));
    }

    fn set_deadline(&self, deadline: Deadline) {
        if deadline.at <= Instant::now() {
            self.cancel_for(deadline.reason(), Some(deadline.at));
            return;
        }
        let at = deadline.at;
        let earlier = self.node.with_extras(|extras| match &extras.deadline {
            Some(old) if old.at <= at => None,
            // What it replaces is dropped outside the lock: its alarm takes another.
            _ => Some(extras.deadline.replace(deadline)),
        });
        if earlier.flatten().is_some() && !watch_by_thread(&self.node, at) {
            is_unwatched(&self.node);
        }
    }

    /// When it will be cancelled by a deadline: the earliest of its own, its ancestors' and those of what it is linked
    /// to. (For a token made by [`all`](Self::all), its sources count as the latest among them, and only if all have
    /// one.) Of a cancelled token: the deadline that cancelled it, if one did.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if let Some(cause) = self.node.cause() {
            return cause.deadline();
        }
        effective_deadline(self.node.clone()).map(|moment| moment.at)
    }

    /// How long until the [deadline](Self::deadline): zero once it has passed, `None` if there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        if let Some(cause) = self.node.cause() {
            return cause.deadline().map(|_| Duration::ZERO);
        }
        let deadline = effective_deadline(self.node.clone())?;
        let now = if deadline.is_virtual {
            clock::now().at
        } else {
            Instant::now()
        };
        Some(deadline.at.saturating_duration_since(now))
    }

    /// Cancels because of its deadline.
    pub(crate) fn expire(&self, reason: CancelReason) {
        let own = self
            .node
            .with_extras(|extras| extras.deadline.as_ref().map(|deadline| deadline.at));
        self.cancel_for(reason, own.flatten());
    }

    /// The same, for the deadline that it has.
    pub(super) fn expire_now(&self) {
        if let Some(reason) = self.deadline_reason() {
            self.expire(reason);
        }
    }

    /// A child with a name, a deadline that nobody watches yet, and more tokens to listen to.
    pub(crate) fn child_with(&self, options: ChildOptions) -> Self {
        // A child does not see its parent's wish for attention, so somebody has to watch the parent's deadline from now on.
        let state = self.node.state();
        let unwatched = !state.is_quiet() && self.attend();
        let mut attention = unwatched || options.deadline.is_some();
        let extras = (options.name.is_some() || options.deadline.is_some())
            .then(|| Box::new(Extras::new(options.name, options.deadline)));
        let child = Self {
            node: self.node.child(extras),
        };
        if !options.links.is_empty() {
            // Whoever hangs on a token relies on its deadline being watched.
            let links = options.links.iter().map(|token| {
                attention |= token.is_blind();
                token.node.clone()
            });
            let links = links.collect();
            child.node.listen_to(links, false);
        }
        if attention {
            child.node.set_attention(true);
        }
        child
    }

    /// Sees to it that every deadline of this token and its ancestors is watched, and cancels those that have passed.
    /// `true` if some go by a clock that no timer thread can watch, so that check points must go on looking.
    pub(crate) fn attend(&self) -> bool {
        if !self.node.state().wants_attention() {
            return false;
        }
        attend(&self.node)
    }

    /// Has every deadline watched that one who is linked to this token relies on. `true`: no thread can be had, so that one has
    /// to look.
    pub(super) fn is_blind(&self) -> bool {
        self.attend() && were_unwatched()
    }

    /// If no timer thread watches a deadline that this token relies on: when somebody has to look, by the real clock.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        if !self.node.state().wants_attention() {
            return None;
        }
        let deadline = effective_deadline(self.node.clone())?;
        (!deadline.is_virtual).then_some(deadline.at)
    }

    /// The token's own deadline, if no timer thread watches it, and whether it goes by a virtual clock.
    pub(crate) fn own_unwatched_deadline(&self) -> Option<(Instant, bool)> {
        self.node
            .with_extras(|extras| {
                let deadline = extras.deadline.as_ref()?;
                matches!(deadline.watch, Watch::Nobody).then_some((deadline.at, deadline.is_virtual))
            })
            .flatten()
    }

    /// Keeps something that works on this token's behalf until it is cancelled, or gone.
    pub(crate) fn keep(&self, work: impl Any + Send) {
        let mut work = Some(Box::new(work) as Box<dyn Any + Send>);
        self.node.with_extras(|extras| extras.kept.extend(work.take()));
        // Cancelled already: dropped here, outside the lock.
        drop(work);
    }

    /// Looks at the first thing of this type that is kept.
    #[cfg(feature = "tokio-util")]
    pub(crate) fn kept<T: Any, R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.node
            .with_extras(|extras| extras.kept.iter().find_map(|kept| kept.downcast_ref()).map(f))
            .flatten()
    }

    /// Is it linked to other tokens, and below none?
    #[cfg(feature = "tokio-util")]
    pub(crate) fn is_linked_root(&self) -> bool {
        let mut listens = Vec::new();
        self.node
            .for_each_upwards(|_, extras| listens.push(extras.is_some_and(|extras| extras.has_sources())));
        listens == [true]
    }

    /// A way back to this token that does not keep it.
    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(self.node.downgrade())
    }

    /// The reason to cancel with when the token's own deadline has passed.
    pub(crate) fn deadline_reason(&self) -> Option<CancelReason> {
        self.node
            .with_extras(|extras| extras.deadline.as_ref().map(Deadline::reason))
            .flatten()
    }
}

/// Knows a token without keeping it.
pub(crate) struct WeakToken(WeakHandle);

impl WeakToken {
    /// The token, if somebody still holds it and it is not cancelled.
    pub(crate) fn upgrade(&self) -> Option<CancellationToken> {
        self.0.upgrade().map(|node| CancellationToken { node })
    }
}

/// What a scope wants of its token.
#[derive(Default)]
pub(crate) struct ChildOptions {
    pub(crate) name: Option<std::borrow::Cow<'static, str>>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) links: Vec<CancellationToken>,
}

/// What `attend` found on the way up, to be done outside the lock.
enum Chore {
    Arm(Handle, Instant),
    Expire(Handle, CancelReason),
}

#[cold]
fn attend(node: &Handle) -> bool {
    if were_unwatched() {
        return attend_carefully(node);
    }
    let keep_looking = look_upwards(node, None);
    if !keep_looking {
        node.set_attention(false);
    }
    keep_looking
}

/// As [`attend`], where there have been deadlines without a thread.
#[inline(never)]
fn attend_carefully(node: &Handle) -> bool {
    if look_everywhere(node) {
        return true;
    }
    node.set_attention(false);
    // Somebody may have set a deadline since, for which there is no thread, and have asked for attention before we took it back.
    let keep_looking = look_everywhere(node);
    if keep_looking {
        node.set_attention(true);
    }
    keep_looking
}

/// Looks at the deadlines of this node, of its ancestors, and of what any of these are linked to. `true` if one of them has to
/// be looked at again.
fn look_everywhere(node: &Handle) -> bool {
    let mut sources = Vec::new();
    let mut keep_looking = look_upwards(node, Some(&mut sources));
    // Kept until the end, so that no address is given to another meanwhile.
    let mut seen = HashMap::new();
    while let Some(source) = sources.pop() {
        if let Entry::Vacant(entry) = seen.entry(source.address()) {
            keep_looking |= look_upwards(&source, Some(&mut sources));
            entry.insert(source);
        }
    }
    keep_looking
}

/// Looks at the deadlines of this node and its ancestors, and notes what these are linked to. `true` if one of them has to be
/// looked at again.
fn look_upwards(node: &Handle, mut sources: Option<&mut Vec<Handle>>) -> bool {
    let mut chores = Vec::new();
    let mut keep_looking = false;
    let mut has_lost_thread = false;
    let now = clock::now();
    node.for_each_upwards(|node, extras| {
        let Some(extras) = extras else { return };
        if let Some(sources) = &mut sources {
            sources.append(&mut extras.sources().0);
        }
        let Some(deadline) = &extras.deadline else { return };
        if let Watch::Thread(_) = deadline.watch {
            if timer::is_served() {
                return;
            }
            has_lost_thread = true;
            if let (true, Some(node)) = (deadline.at <= Instant::now(), node.try_clone()) {
                chores.push(Chore::Expire(node, deadline.reason()));
            }
            return;
        }
        // Another clock than the wall's: no thread can watch it, so whoever checks, looks.
        keep_looking |= deadline.is_virtual;
        // A token that has just been dropped takes its deadline along.
        let Some(node) = node.try_clone() else { return };
        if deadline.is_virtual == now.is_virtual && deadline.at <= now.at {
            chores.push(Chore::Expire(node, deadline.reason()));
        } else if !deadline.is_virtual {
            chores.push(Chore::Arm(node, deadline.at));
        }
    });
    for chore in chores {
        match chore {
            Chore::Arm(node, at) if watch_by_thread(&node, at) => {}
            Chore::Arm(node, at) => {
                // Without a thread: here and now, if it is time, and again later.
                keep_looking = true;
                if at <= Instant::now() {
                    CancellationToken { node }.expire_now();
                }
            }
            Chore::Expire(node, reason) => CancellationToken { node }.expire(reason),
        }
    }
    // The next thread watches what the lost one did.
    let is_unwatched = has_lost_thread && !timer::serve();
    keep_looking || is_unwatched
}

/// Has the timer thread cancel this node at `at`, which is its deadline; `false` if there is no such thread.
#[must_use = "without a thread somebody has to look"]
fn watch_by_thread(node: &Handle, at: Instant) -> bool {
    let alarm = timer::arm_for_token(at, Expiry::waker_for(node));
    // It has come already, or else there is no thread.
    if alarm.has_come() && !timer::is_served() {
        return false;
    }
    // Whatever is not put there, or is replaced, is disarmed outside the lock.
    let mut alarm = Some(alarm);
    let replaced = node.with_extras(|extras| match &mut extras.deadline {
        Some(deadline) if deadline.at == at => alarm
            .take()
            .map(|alarm| std::mem::replace(&mut deadline.watch, Watch::Thread(alarm))),
        _ => None,
    });
    drop((replaced, alarm));
    true
}

/// The sooner of two deadlines, where `None` is never.
fn sooner(a: Option<Moment>, b: Option<Moment>) -> Option<Moment> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// When this node will be cancelled by a deadline: its own, an ancestor's, or one of what any of these are linked to.
fn effective_deadline(node: Handle) -> Option<Moment> {
    let mut earliest = None;
    let mut has_sources = false;
    node.for_each_upwards(|_, extras| {
        let Some(extras) = extras else { return };
        earliest = sooner(earliest, extras.deadline.as_ref().map(Deadline::moment));
        has_sources |= extras.has_sources();
    });
    if !has_sources {
        return earliest;
    }
    let mut known = Known::default();
    let first = known.find_all(node);
    known.evaluate(first)
}

/// The nodes that a deadline depends on, each once, whether it was found as an ancestor or as a source, and along however
/// many paths. Found and evaluated in loops, for links can be nested as deep as trees.
#[derive(Default)]
struct Known {
    nodes: Vec<KnownNode>,
    by_address: HashMap<usize, usize>,
}

struct KnownNode {
    /// So that its address is not given to another meanwhile. `None`: nobody holds it, and it cannot be found again.
    _kept: Option<Handle>,
    own: Option<Moment>,
    is_cancelled: bool,
    /// `true`: it is cancelled when all that it is linked to are.
    needs_all: bool,
    /// What has to be known first: the parent, if there is one, and what it is linked to.
    parent: Option<usize>,
    sources: Vec<usize>,
    /// How often it has been asked which of these is next: 0 before the first time.
    progress: usize,
    /// What came of it.
    earliest: Option<Moment>,
}

impl Known {
    /// Finds whatever the deadline of `node` depends on; says which one that is.
    fn find_all(&mut self, node: Handle) -> usize {
        let mut unasked = Vec::new();
        let first = self.find(&node, &mut unasked);
        while let Some((listener, sources)) = unasked.pop() {
            for source in sources {
                let source = self.find(&source, &mut unasked);
                self.nodes[listener].sources.push(source);
            }
        }
        first
    }

    /// Goes up from `node` to the root, or to what is known; what is found to be linked is still to be asked.
    fn find(&mut self, node: &Handle, unasked: &mut Vec<(usize, Vec<Handle>)>) -> usize {
        if node.is_never() {
            return self.add(None);
        }
        let mut first = None;
        let mut below: Option<usize> = None;
        node.climb(|node, extras| {
            let known = self.by_address.get(&node.address()).copied();
            let found = known.unwrap_or_else(|| self.add(node.try_clone()));
            first.get_or_insert(found);
            if let Some(below) = below.replace(found) {
                self.nodes[below].parent = Some(found);
            }
            if known.is_some() {
                return false;
            }
            #[cfg(test)]
            ASKED.set(ASKED.get() + 1);
            let this = &mut self.nodes[found];
            this.is_cancelled = node.state().is_cancelled();
            if let Some(extras) = extras {
                this.own = extras.deadline.as_ref().map(Deadline::moment);
                let (sources, needs_all) = extras.sources();
                this.needs_all = needs_all;
                if !sources.is_empty() {
                    unasked.push((found, sources));
                }
            }
            true
        });
        match first {
            Some(first) => first,
            None => unreachable!("it begins with the node itself"),
        }
    }

    fn add(&mut self, kept: Option<Handle>) -> usize {
        let at = self.nodes.len();
        if let Some(kept) = &kept {
            self.by_address.insert(kept.address(), at);
        }
        self.nodes.push(KnownNode {
            _kept: kept,
            own: None,
            is_cancelled: false,
            needs_all: false,
            parent: None,
            sources: Vec::new(),
            progress: 0,
            earliest: None,
        });
        at
    }

    fn evaluate(&mut self, first: usize) -> Option<Moment> {
        let mut stack = vec![first];
        while let Some(&at) = stack.last() {
            let node = &mut self.nodes[at];
            let next = match node.progress.checked_sub(node.sources.len()) {
                None => Some(node.sources[node.progress]),
                Some(0) => node.parent,
                Some(_) => None,
            };
            node.progress += 1;
            match next {
                // Known already, or on its way to be: nothing listens to itself, so it is not on the stack.
                Some(next) if self.nodes[next].progress == 0 => stack.push(next),
                Some(_) => {}
                None => {
                    let node = &self.nodes[at];
                    let asked = node.sources.len() + usize::from(node.parent.is_some());
                    debug_assert_eq!(node.progress, asked + 1, "it is worked out once");
                    self.nodes[at].earliest = self.earliest(node);
                    stack.pop();
                }
            }
        }
        self.nodes[first].earliest
    }

    /// Of a node all of whose sources are known, and its parent.
    fn earliest(&self, node: &KnownNode) -> Option<Moment> {
        let sources = node.sources.iter().map(|&source| &self.nodes[source]);
        // What is cancelled already is not waited for.
        let sources = sources
            .filter(|source| !source.is_cancelled)
            .map(|source| source.earliest);
        let linked = if node.needs_all {
            // No deadline among them means that it may never be cancelled.
            sources.reduce(|a, b| Some(a?.max(b?))).flatten()
        } else {
            sources.fold(None, sooner)
        };
        let above = node.parent.and_then(|parent| self.nodes[parent].earliest);
        sooner(node.own, sooner(linked, above))
    }
}

#[cfg(test)]
thread_local! {
    /// How many nodes were asked for their deadlines.
    static ASKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests/alarms.rs"]
mod alarms;
#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests/timeout.rs"]
mod tests;
