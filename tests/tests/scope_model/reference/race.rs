//! Races.

use cancelable::ReasonKind;

use super::Output;
use super::stretch::Stretch;
use super::world::World;
use crate::program::Grace;

pub(super) struct Branch {
    pub(super) stretch: Stretch,
    /// Ended, with an output or, where nothing but the branch's own check point noticed, without.
    ended: Option<Option<Output>>,
}

impl Branch {
    pub(super) fn new(mut stretch: Stretch) -> Self {
        // A cancel from outside is for the check point outside: it is the race that is awaited.
        stretch.is_check_point = false;
        stretch.noticed_by = "race";
        stretch.is_branch = true;
        Self { stretch, ended: None }
    }
}

/// §4: the first output wins; the others are cancelled as superseded and driven to their end, unless they have not started.
pub(super) fn race(
    branches: &mut [Branch],
    winner: &mut Option<usize>,
    world: &mut World,
    waker: usize,
) -> Option<Output> {
    let losers = world.tokenless_losers.len();
    let output = rounds(branches, winner, world, waker);
    world.tokenless_losers.truncate(losers);
    output
}

fn rounds(branches: &mut [Branch], winner: &mut Option<usize>, world: &mut World, waker: usize) -> Option<Output> {
    let is_old = winner.is_some();
    loop {
        let was_won = winner.is_some();
        let grace = world
            .frames_round()
            .map(|frame| frame.grace)
            .find(|&grace| grace != Grace::None);
        for (number, branch) in branches
            .iter_mut()
            .enumerate()
            .filter(|(_, branch)| branch.ended.is_none())
        {
            branch.stretch.region.grace = grace.unwrap_or(Grace::None);
            match branch.stretch.poll(world, waker) {
                None => {}
                Some(Err(_)) => branch.ended = Some(None),
                Some(Ok(output)) => {
                    branch.ended = Some(Some(output));
                    if winner.is_none() {
                        *winner = Some(number);
                        break;
                    }
                }
            }
        }
        if branches.iter().all(|branch| branch.ended.is_some()) {
            // Without a winner all branches were cancelled; whoever did it ends the race.
            return branches[(*winner)?].ended.take()?;
        }
        if was_won || winner.is_none() {
            if was_won && !is_old {
                world.wake(waker);
            }
            return None;
        }
        for branch in branches.iter_mut().filter(|branch| branch.ended.is_none()) {
            branch.stretch.is_check_point = true;
            match branch.stretch.token() {
                Some(token) => {
                    if !branch.stretch.has_own_token(world, token) {
                        world.tokenless_losers.push(token);
                    }
                    let message = "another branch of the race finished first";
                    world.cancel(token, ReasonKind::Superseded, Some(message.to_owned()));
                }
                None => branch.ended = Some(None),
            }
        }
    }
}
