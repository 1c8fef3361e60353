//! What a check point has to reckon with before it fails: things that must not be dropped.
//!
//! There are two answers, and both are walks. By the law (L12), what its failing would drop: what is in the future that it
//! awaits, and what the bodies own that its error ends. By what a library can see, which knows no owners: what was last
//! polled within this await, and what was last polled within one that is over, in the same scope. Where they differ, the
//! reference does not say what happens.

use std::collections::BTreeMap;

use super::world::World;

/// How often who waits is woken because a thing has moved.
const TOLD_OF_MOVES: usize = 4;

/// Something that is pending and must not be dropped.
pub(super) struct Thing {
    /// A shield, or an await that has to finish.
    pub(super) holds: bool,
    /// A check point that waits under a waker of its own.
    pub(super) foreign: bool,
    /// The token that it waits for, if it is foreign.
    token: usize,
    /// The awaits and regions within which it was last polled, outermost first.
    path: Vec<usize>,
    waiting: Vec<Waiting>,
    /// How often check points have been woken because it moved.
    told: BTreeMap<usize, usize>,
}

/// A check point that waits for a thing.
struct Waiting {
    point: usize,
    waker: usize,
    /// Where it was polled.
    path: Vec<usize>,
}

/// One of the nodes that are being polled.
pub(super) struct Level {
    pub(super) role: Role,
    /// How many frames are round it.
    frames: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Guard(usize),
    /// An await that has to finish.
    Finish(usize),
    Region(usize),
    /// A region whose token was given: it may be run by a stranger.
    Given(usize),
    /// An error from in here goes no further by itself.
    Catches,
    /// The body that owns this value.
    Owns(usize),
}

impl Role {
    pub(super) fn point(self) -> Option<usize> {
        match self {
            Self::Guard(point) | Self::Finish(point) | Self::Region(point) | Self::Given(point) => Some(point),
            Self::Catches | Self::Owns(_) => None,
        }
    }
}

/// A check point that is to decide.
#[derive(Clone, Copy)]
pub(super) enum Point {
    /// One that does not wait.
    Check,
    Waits(Role),
}

/// What it must not drop.
#[derive(Default)]
pub(super) struct Reckoned {
    pub(super) holds: Vec<usize>,
    pub(super) foreign: usize,
    /// Some of it is not in the future that is awaited.
    pub(super) outlives: bool,
}

impl Reckoned {
    pub(super) fn is_nothing(&self) -> bool {
        self.holds.is_empty() && self.foreign == 0
    }
}

impl World {
    pub(super) fn within<R>(&mut self, role: Role, f: impl FnOnce(&mut Self) -> R) -> R {
        let frames = self.frames.len();
        self.levels.push(Level { role, frames });
        let result = f(self);
        self.levels.pop();
        result
    }

    /// The beginning of a poll: what is pending here, and inside, is polled within what is being polled now.
    pub(super) fn touch(&mut self, point: usize) {
        let path = self.path();
        let mut moved = Vec::new();
        for (&key, thing) in &mut self.things {
            let here = match thing.path.iter().position(|&round| round == point) {
                _ if key == point => path.clone(),
                Some(at) => [&path, &thing.path[at..]].concat(),
                None => continue,
            };
            if thing.path != here {
                thing.path = here;
                moved.push(key);
            }
        }
        for key in moved {
            // Those who are inside themselves come along, too.
            let is_outside =
                |waiting: &Waiting| key == point || waiting.point != point && !waiting.path.contains(&point);
            let thing = self.things.get_mut(&key).expect("it has moved");
            for waiting in thing.waiting.iter().filter(|waiting| is_outside(waiting)) {
                let told = thing.told.entry(waiting.point).or_insert(0);
                *told += 1;
                if *told > TOLD_OF_MOVES {
                    // Two who share it, and wait, would wake each other for ever. Where it stays in the end is the library's affair.
                    self.open.get_or_insert(self.log.len());
                }
            }
            self.wake_waiting_for(key, is_outside);
        }
    }

    /// The awaits and regions within which the code now running is polled, outermost first.
    fn path(&self) -> Vec<usize> {
        self.levels.iter().filter_map(|level| level.role.point()).collect()
    }

    /// The end of a pending poll: what is pending here for check points outside?
    pub(super) fn set_thing(&mut self, point: usize, holds: bool, foreign: bool, token: usize) {
        if !holds && !foreign {
            return self.end_thing(point);
        }
        self.things.entry(point).or_insert_with(|| Thing {
            holds,
            foreign,
            token,
            path: Vec::new(),
            waiting: Vec::new(),
            told: BTreeMap::new(),
        });
        self.touch(point);
        let thing = self.things.get_mut(&point).expect("it is there");
        let before = (thing.foreign, thing.token);
        (thing.holds, thing.foreign, thing.token) = (holds, foreign, token);
        // It waits in another scope from now on, or no longer.
        let got_out = before.0 && (foreign, token) != before && self.is_cancelled(before.1);
        self.got_out += usize::from(got_out);
    }

    pub(super) fn is_foreign(&self, point: usize) -> bool {
        self.things.get(&point).is_some_and(|thing| thing.foreign)
    }

    pub(super) fn end_thing(&mut self, point: usize) {
        self.wake_waiting_for(point, |_| true);
        if let Some(thing) = self.things.remove(&point) {
            self.got_out += usize::from(thing.foreign && self.is_cancelled(thing.token));
        }
    }

    fn wake_waiting_for(&mut self, thing: usize, is_to_know: impl Fn(&Waiting) -> bool) {
        let Some(thing) = self.things.get_mut(&thing) else {
            return;
        };
        let (told, others) = std::mem::take(&mut thing.waiting).into_iter().partition(is_to_know);
        thing.waiting = others;
        let told: Vec<Waiting> = told;
        told.into_iter().for_each(|waiting| self.wake(waiting.waker));
    }

    /// The check point or region is over.
    pub(super) fn end_point(&mut self, point: usize) {
        self.unregister(point);
        self.live.remove(&point);
        self.end_thing(point);
        self.stop_waiting(point);
    }

    /// Has `waker` woken when one of these moves or ends before `point` is polled again.
    pub(super) fn wait_for(&mut self, holds: &[usize], point: usize, waker: usize) {
        let path = self.path();
        for hold in holds {
            let thing = self.things.get_mut(hold).expect("it is pending");
            let path = path.clone();
            thing.waiting.push(Waiting { point, waker, path });
        }
    }

    pub(super) fn stop_waiting(&mut self, point: usize) {
        for thing in self.things.values_mut() {
            thing.waiting.retain(|waiting| waiting.point != point);
        }
    }

    /// What this check point, which sees its token cancelled, must not drop; `inside` is in the future that it awaits. `None`:
    /// the laws do not say.
    pub(super) fn reckon(&mut self, point: Point, token: usize, inside: Vec<usize>) -> Option<Reckoned> {
        let cause = self.tokens[token].cause.expect("it is cancelled");
        let within = inside.len();
        let own = self.own(point, cause, inside);
        let seen = self.seen(point, cause);
        let Some(counted) = own.zip(seen).and_then(|(own, seen)| (own == seen).then_some(own)) else {
            self.open.get_or_insert(self.log.len());
            return None;
        };
        let outlives = counted.len() > within;
        self.outlived |= outlives;
        let (holds, others): (Vec<_>, Vec<_>) = counted.into_iter().partition(|thing| self.things[thing].holds);
        let both = holds.iter().filter(|thing| self.things[*thing].foreign);
        Some(Reckoned {
            foreign: both.count() + others.len(),
            holds,
            outlives,
        })
    }

    /// By the law.
    fn own(&self, point: Point, cause: usize, mut things: Vec<usize>) -> Option<Vec<usize>> {
        let mut reaches = true;
        let mut crossed = match point {
            Point::Waits(Role::Region(_)) => Some((self.frames.len(), true)),
            Point::Waits(Role::Given(_)) => Some((self.frames.len(), false)),
            _ => None,
        };
        for level in self.levels.iter().rev() {
            if let Some((frames, is_round)) = crossed {
                // The error of an inner scope ends what is outside only if that is cancelled, by the same, and is the code round it.
                let outside = frames.checked_sub(1).map(|frame| self.frames[frame].token);
                match outside.and_then(|token| self.tokens[token].cause) {
                    Some(outside) => reaches &= outside == cause && is_round,
                    None => break,
                }
            }
            crossed = None;
            match level.role {
                Role::Catches => break,
                Role::Owns(value) => {
                    let before = things.len();
                    self.values[value].things(self, &mut things);
                    if !reaches && things.len() > before {
                        return None;
                    }
                }
                Role::Guard(_) | Role::Finish(_) => {}
                Role::Region(_) => crossed = Some((level.frames, true)),
                Role::Given(_) => crossed = Some((level.frames, false)),
            }
        }
        things.sort_unstable();
        Some(things)
    }

    /// By what can be seen.
    fn seen(&self, point: Point, cause: usize) -> Option<Vec<usize>> {
        let own = match point {
            Point::Check => None,
            Point::Waits(role) => role.point(),
        };
        let round = self.path();
        let mut things = Vec::new();
        for (&key, thing) in self.things.iter().filter(|&(&key, _)| Some(key) != own) {
            if own.is_some_and(|own| thing.path.contains(&own)) {
                things.push(key);
                continue;
            }
            // It is loose if an await in which it was polled is over.
            let Some(over) = thing.path.iter().position(|point| !self.live.contains(point)) else {
                continue;
            };
            let (place, rest) = thing.path.split_at(over);
            if rest
                .iter()
                .any(|point| self.live.contains(point) && round.contains(point))
            {
                return None;
            }
            if !round.starts_with(place) || place.is_empty() {
                continue;
            }
            let place = place[place.len() - 1];
            match self.token_in(place).and_then(|token| self.tokens[token].cause) {
                Some(reached) if reached == cause => things.push(key),
                Some(_) => return None,
                None => {}
            }
        }
        Some(things)
    }

    /// The ambient token inside an await or region that is being polled.
    fn token_in(&self, place: usize) -> Option<usize> {
        let level = self.levels.iter().find(|level| level.role.point() == Some(place))?;
        let frame = match level.role {
            Role::Region(_) | Role::Given(_) => level.frames,
            _ => level.frames.checked_sub(1)?,
        };
        Some(self.frames.get(frame)?.token)
    }
}
