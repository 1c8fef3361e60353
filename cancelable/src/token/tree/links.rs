//! One token listening to another: the two ends of a link.

use super::*;

/// The near end: what is listened to, and the entry in its list.
pub(in crate::token) struct SourceLink {
    pub(super) source: Handle,
    pub(super) waiter: BoxedWaiter<LinkTarget>,
}

/// How a token listens to others.
pub(in crate::token) enum Listens {
    /// Cancelled with the first of them, as one below them would be.
    AsOneBelow,
    /// The same, and it is its own cancel: that of a scope with this name, or without one.
    AsOwner(Option<Cow<'static, str>>),
    /// Cancelled with the last of so many.
    ForAll(usize),
}

/// The far end of a link: which token to cancel, and after how many of its sources.
pub(in crate::token) struct LinkTarget {
    token: WeakHandle,
    /// Of the token's tree, to wait for whoever is marking it.
    stripe: usize,
    needs: Needs,
    /// Whose cancel it is, if not that of a source.
    owner: Option<Option<Cow<'static, str>>>,
}

/// How many of its sources have to be cancelled.
enum Needs {
    One,
    /// All; so many are left.
    All(AtomicUsize),
}

impl LinkTarget {
    pub(super) fn new(token: &Handle, how: Listens) -> Self {
        let (needs, owner) = match how {
            Listens::AsOneBelow => (Needs::One, None),
            Listens::AsOwner(name) => (Needs::One, Some(name)),
            Listens::ForAll(sources) => (Needs::All(AtomicUsize::new(sources)), None),
        };
        Self {
            token: token.downgrade(),
            stripe: token.state().stripe(),
            needs,
            owner,
        }
    }

    /// What a source's cause is to the token.
    pub(super) fn hears(&self, cause: &Arc<Cause>) -> Arc<Cause> {
        match &self.owner {
            Some(name) => Cause::heard_by(cause, name.clone()),
            None => Arc::clone(cause),
        }
    }

    /// The token at the far end, if it is still there and not marked.
    pub(super) fn token(&self) -> Option<Handle> {
        self.token.upgrade()
    }

    /// One of the sources is being cancelled: the token to be marked before that source is.
    ///
    /// `None`: there is nothing to mark, for the token reads as cancelled already, or nobody holds it, or other sources are
    /// needed. No tree's lock is held by the caller.
    pub(super) fn fire(&self) -> Option<Handle> {
        if let Needs::All(left) = &self.needs {
            // AcqRel: the last one sees what the others did.
            if left.fetch_sub(1, Ordering::AcqRel) != 1 {
                return None;
            }
        }
        let token = self.token();
        if token.is_none() {
            // Gone, or marked; or being marked at this moment by a thread that has cut the way back already (T7). That it is
            // at it is not that it is done: it has the lock until it is.
            drop(lock_stripe(self.stripe));
        }
        token
    }
}

impl SourceLink {
    /// Undoes the link; the source, to be released, if this held its last handle.
    pub(super) fn into_last(self) -> Option<NonNull<Node>> {
        let Self { source, waiter } = self;
        // SAFETY: the waiter was listed with this source and nowhere else.
        unsafe { source.delist(&waiter) };
        drop(waiter);
        source.into_last()
    }
}
