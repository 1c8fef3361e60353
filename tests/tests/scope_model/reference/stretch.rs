//! Regions: stretches of code with a token.

use cancelable::ReasonKind;

use super::check_point::{Before, Waiter};
use super::places::Role;
use super::world::{Frame, World};
use super::{Awaited, Output, Phase, Task};
use crate::program::{Deadline, Grace, Kind, Notice, Region};

/// A region on its way.
pub(super) struct Stretch {
    id: usize,
    pub(super) region: Region,
    pub(super) noticed_by: &'static str,
    pub(super) is_check_point: bool,
    running: Option<Running>,
    /// It is a branch of a race.
    pub(super) is_branch: bool,
    /// As a guard is.
    is_plain: bool,
    pub(super) body: Box<Task>,
}

#[derive(Clone, Copy)]
struct Running {
    point: usize,
    token: usize,
}

impl Stretch {
    pub(super) fn new(id: usize, region: Region, body: Box<Task>) -> Self {
        let noticed_by = match region.kind {
            Kind::Scope | Kind::Detached | Kind::Below(_) => "scope",
            Kind::Shield => "shield",
            Kind::Ambient(_) => "ambient",
            Kind::WithCancellation(_) => "with_cancellation",
        };
        Self {
            id,
            noticed_by,
            is_check_point: match region.kind {
                Kind::Ambient(_) => false,
                // L13: bounded or not, it does not see what is outside; bounded, it sees its own bound.
                Kind::Shield => region.deadline != Deadline::None,
                _ => true,
            },
            region,
            running: None,
            is_branch: false,
            is_plain: false,
            body,
        }
    }

    pub(super) fn point(&self) -> Option<usize> {
        self.running.map(|running| running.point)
    }

    pub(super) fn token(&self) -> Option<usize> {
        self.running.map(|running| running.token)
    }

    fn owns_token(&self) -> bool {
        !matches!(self.region.kind, Kind::Ambient(_) | Kind::WithCancellation(_))
    }

    fn frame(&self, token: usize, waker: Option<usize>) -> Frame {
        Frame {
            token,
            waker,
            name: self.region.named.then(|| self.id.to_string()),
            grace: self.region.grace,
            is_given: !self.owns_token(),
            counts: self.is_branch,
        }
    }

    /// L2, L13, L15: whose child the token is, and whether it is cancelled from the start.
    fn begin(&self, world: &mut World) -> usize {
        let parent = match self.region.kind {
            Kind::Ambient(token) | Kind::WithCancellation(token) => return token,
            Kind::Scope => world.frames.last().map(|frame| frame.token),
            Kind::Below(token) => Some(token),
            Kind::Detached | Kind::Shield => None,
        };
        let token = world.child(parent);
        if self.region.deadline == Deadline::Past {
            world.cancel(token, ReasonKind::Timeout, None);
        }
        token
    }

    /// `Ok`: what the body returned. `Err`: the region's own check point.
    pub(super) fn poll(&mut self, world: &mut World, waker: usize) -> Option<Result<Output, Notice>> {
        let is_first_poll = self.running.is_none();
        let running = match self.running {
            Some(running) => running,
            None => Running {
                token: self.begin(world),
                point: world.new_point(),
            },
        };
        let Running { point, token } = running;
        world.touch(point);
        let waiter = Waiter {
            role: if self.owns_token() {
                Role::Region(point)
            } else {
                Role::Given(point)
            },
            token,
            frame: Some(self.frame(token, Some(waker))),
            waker,
        };
        if is_first_poll {
            if self.is_check_point && waiter.fails_at_once(world, &*self.body)? {
                // L9: its body does not start.
                self.body.phase = Phase::Over;
                world.end_point(point);
                return self.notice(world, token).map(Err);
            }
            self.running = Some(running);
            if self.region.observed && !world.known.contains(&token) {
                world.known.push(token);
            }
        }
        // In its first poll it does not ask what was before, and is polled once more.
        let before = match is_first_poll {
            true => Before::default(),
            false => waiter.before(world),
        };
        // By the region itself, which is entered.
        let since = world.counted + usize::from(world.is_in_branch());
        let takes_nothing = before.cancelled && self.is_plain && self.is_check_point && world.has_lost(token);
        let output = match self.is_check_point {
            _ if takes_nothing => None,
            true => waiter.poll(before, world, &mut *self.body),
            false => waiter.poll_once(world, &mut *self.body),
        };
        if let Some(output) = output {
            // L9: it has returned that value. L17: and the scope is over.
            world.end_point(point);
            if self.owns_token() {
                world.cancel(token, ReasonKind::ScopeEnded, None);
            }
            return Some(Ok(output));
        }
        let may_be_plain = !self.is_branch && (is_first_poll || self.is_plain);
        self.is_plain = may_be_plain && (takes_nothing || world.is_silent(since));
        let holds = self.region.kind == Kind::Shield;
        let mut foreign = world.frames.last().is_some_and(|outer| outer.waker != Some(waker));
        if !world.is_cancelled(token) {
            // A branch that has no token so far is woken with what is outside, and by nobody else.
            if foreign || !self.is_branch || self.has_own_token(world, token) {
                world.register(point, token, waker);
            }
            world.set_thing(point, holds, foreign, token);
            return None;
        }
        // What has registered before counts until it ends.
        if before.cancelled {
            foreign = world.is_foreign(point);
        }
        // L14: no longer than the grace, wherever the body is; but a cancel in the middle of this poll is for the next.
        let forced = before.cancelled && self.is_check_point && self.region.grace == Grace::Zero;
        let fails = forced || self.is_check_point && waiter.may_fail(before, world, &*self.body);
        if !self.is_check_point && !before.cancelled {
            // What is inside notices, or nothing does; in the next poll, if the cancel came in the middle of this one.
            world.wake(waker);
        }
        if fails {
            let notice = self.notice(world, token);
            self.abandon(world);
            return notice.map(|notice| Err(Notice { forced, ..notice }));
        }
        world.set_thing(point, holds, foreign, token);
        None
    }

    /// Of a branch: has somebody asked for it, or is something inside that must not be dropped?
    pub(super) fn has_own_token(&self, world: &World, token: usize) -> bool {
        let mut inside = Vec::new();
        self.body.things(world, &mut inside);
        !inside.is_empty() || world.known.iter().any(|&known| world.is_below(known, token))
    }

    fn notice(&self, world: &mut World, token: usize) -> Option<Notice> {
        world.enter(self.frame(token, None));
        let notice = world.notice(self.noticed_by);
        world.leave();
        notice
    }

    /// L16: a scope that is dropped cancels its token; L20: and its body's destructors see that.
    pub(super) fn abandon(&mut self, world: &mut World) {
        let Some(Running { point, token }) = self.running else {
            return;
        };
        if self.body.phase == Phase::Over {
            return;
        }
        world.end_point(point);
        if self.owns_token() {
            world.cancel(token, ReasonKind::Dropped, None);
        }
        let frame = self.frame(token, None);
        world.enter(frame);
        self.body.abandon(world);
        world.leave();
    }
}
