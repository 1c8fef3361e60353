//! What check points do whose token is cancelled.

use super::Awaited;
use super::places::{Point, Reckoned, Role};
use super::world::{Frame, World};
use crate::program::Notice;

/// How often a check point looks whether anything inside still moves.
const PATIENCE: usize = 32;

/// One that does not wait: the error, if it is to fail. L12: not as long as that would drop what must not be dropped.
pub(super) fn check(world: &mut World, noticed_by: &'static str) -> Option<Notice> {
    let token = world.frames.last()?.token;
    let may_fail = world.is_cancelled(token) && world.reckon(Point::Check, token, Vec::new())?.is_nothing();
    may_fail.then(|| world.notice(noticed_by)).flatten()
}

/// A check point that waits, in one of its polls.
pub(super) struct Waiter {
    pub(super) role: Role,
    pub(super) token: usize,
    /// That of a region.
    pub(super) frame: Option<Frame>,
    pub(super) waker: usize,
}

/// What it knew when its poll began; by default, that its token was not cancelled.
#[derive(Clone, Copy, Default)]
pub(super) struct Before {
    pub(super) cancelled: bool,
    got_out: usize,
    waited: usize,
}

impl Waiter {
    pub(super) fn before(&self, world: &mut World) -> Before {
        self.role
            .point()
            .into_iter()
            .for_each(|point| world.stop_waiting(point));
        Before {
            cancelled: world.is_cancelled(self.token),
            got_out: world.got_out,
            waited: world.waited,
        }
    }

    /// Before its first poll: is it to fail at once? `None`: the laws do not say.
    pub(super) fn fails_at_once(&self, world: &mut World, inner: &impl Awaited) -> Option<bool> {
        Some(world.is_cancelled(self.token) && self.reckon(world, inner)?.is_nothing())
    }

    /// `None` as above.
    fn reckon(&self, world: &mut World, inner: &impl Awaited) -> Option<Reckoned> {
        let mut inside = Vec::new();
        inner.things(world, &mut inside);
        world.reckon(Point::Waits(self.role), self.token, inside)
    }

    pub(super) fn poll_once<A: Awaited>(&self, world: &mut World, inner: &mut A) -> Option<A::Item> {
        world.within(self.role, |world| {
            if let Some(frame) = &self.frame {
                world.enter(frame.clone());
            }
            let item = inner.poll(world, self.waker);
            if self.frame.is_some() {
                world.leave();
            }
            item
        })
    }

    /// L12: members get their turn, also those that have to wait for it behind busy ones; but not for ever.
    pub(super) fn poll<A: Awaited>(&self, before: Before, world: &mut World, inner: &mut A) -> Option<A::Item> {
        let mut item = self.poll_once(world, inner);
        for _ in 0..PATIENCE {
            if item.is_some() || !before.cancelled {
                break;
            }
            let now = self.reckon(world, inner)?;
            let is_stuck = now.holds.is_empty()
                && now.foreign > 0
                && world.got_out == before.got_out
                && world.waited == before.waited;
            if !is_stuck {
                break;
            }
            item = self.poll_once(world, inner);
        }
        item
    }

    /// L12, where the token is cancelled and `inner` is pending: does it drop that and fail?
    pub(super) fn may_fail(&self, before: Before, world: &mut World, inner: &impl Awaited) -> bool {
        let is_free = self.is_free(before, world, inner);
        let waited = world.waited;
        let lets_others_go_first = is_free && waited > before.waited;
        if lets_others_go_first {
            // Somebody inside has waited in this poll, before what that waited for was gone.
            world.wake(self.waker);
        }
        if let Some(point) = self.role.point() {
            world.let_go_first(point, lets_others_go_first);
        }
        let may_fail = is_free && !lets_others_go_first;
        world.waited += usize::from(before.cancelled && !may_fail);
        may_fail
    }

    fn is_free(&self, before: Before, world: &mut World, inner: &impl Awaited) -> bool {
        if !before.cancelled {
            // The cancel came in the middle of this poll, so something inside may not have seen it.
            world.wake(self.waker);
            return false;
        }
        let Some(now) = self.reckon(world, inner) else {
            return false;
        };
        if !now.holds.is_empty() {
            // L13, and awaits that have to finish.
            let point = self.role.point().expect("a guard or a region");
            world.wait_for(&now.holds, point, self.waker);
            if now.outlives && !world.wakers[self.waker].is_of_a_task {
                // How often it is woken meanwhile, and the hold, is the library's affair, and may decide which member of a crowd is
                // next.
                world.open.get_or_insert(world.log.len());
            }
            return false;
        }
        if now.foreign > 0 && world.got_out > before.got_out {
            // Contract §5: those inside get out one by one, perhaps not all in one poll.
            world.wake(self.waker);
            return false;
        }
        // Nothing inside, or nothing that its owner polls any more.
        true
    }
}

/// The await of an annotated function.
#[derive(Default)]
pub(super) struct Guard {
    point: Option<usize>,
    /// It has begun, and nothing has ever been awaited inside by code that would notice a cancel.
    is_plain: bool,
}

impl Guard {
    pub(super) fn poll<A: Awaited>(
        &mut self,
        world: &mut World,
        waker: usize,
        inner: &mut A,
    ) -> Option<Result<A::Item, Notice>> {
        let is_first = self.point.is_none();
        let may_be_plain = is_first || self.is_plain;
        let point = *self.point.get_or_insert_with(|| world.new_point());
        world.touch(point);
        let since = world.count();
        let frame = world.frames.last();
        // L11: the frame's own waker is woken by the frame's scope; another has to be registered.
        let foreign = frame.is_some_and(|frame| frame.waker != Some(waker));
        let result = match frame.map(|frame| frame.token) {
            // L18.
            None => world
                .within(Role::Guard(point), |world| inner.poll(world, waker))
                .map(Ok),
            Some(token) => {
                let waiter = Waiter {
                    role: Role::Guard(point),
                    token,
                    frame: None,
                    waker,
                };
                // What comes of a loser is nobody's, so it takes nothing.
                let begins = is_first || self.is_plain && world.has_lost(token);
                Self::look(&waiter, begins, foreign, world, inner)
            }
        };
        self.is_plain = may_be_plain && world.is_silent(since);
        if result.is_some() {
            world.end_point(point);
        }
        result
    }

    fn look<A: Awaited>(
        this: &Waiter,
        begins: bool,
        foreign: bool,
        world: &mut World,
        inner: &mut A,
    ) -> Option<Result<A::Item, Notice>> {
        let Waiter { role, token, waker, .. } = *this;
        let point = role.point()?;
        // L10: a check before the first poll, and none before a later one.
        if begins && this.fails_at_once(world, inner)? {
            world.end_point(point);
            inner.abandon(world);
            return world.notice("guard").map(Err);
        }
        let before = this.before(world);
        // L10: what is ready is not thrown away.
        if let Some(item) = this.poll(before, world, inner) {
            return Some(Ok(item));
        }
        if !world.is_cancelled(token) {
            if foreign {
                world.register(point, token, waker);
            } else {
                world.unregister(point);
            }
            world.set_thing(point, false, foreign, token);
            return None;
        }
        if this.may_fail(before, world, inner) {
            world.end_point(point);
            inner.abandon(world);
            return world.notice("guard").map(Err);
        }
        // One that was spared when it began, and waits, is no other.
        let foreign = foreign || world.is_foreign(point);
        world.set_thing(point, false, foreign, token);
        None
    }

    pub(super) fn abandon(&mut self, world: &mut World) {
        self.point.into_iter().for_each(|point| world.end_point(point));
    }

    pub(super) fn point(&self) -> Option<usize> {
        self.point
    }
}
