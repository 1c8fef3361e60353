//! Who watches the deadlines that a node relies on: the timer's thread, or else whoever asks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Instant;

use super::deadline::Watch;
use super::expiry::{Expiry, expire, were_unwatched};
use super::tree::Handle;
use crate::clock;
use crate::timer;

/// Sees to it that every deadline of this node and its ancestors is watched, and cancels those that have passed. `true` if some
/// go by a clock that no timer thread can watch, so that check points must go on looking.
#[inline]
pub(super) fn attend(node: &Handle) -> bool {
    node.state().wants_attention() && attend_slow(node)
}

/// Has every deadline watched that one who is linked to this node relies on. `true`: no thread can be had, so that one has to
/// look.
pub(super) fn is_blind(node: &Handle) -> bool {
    attend(node) && were_unwatched()
}

#[cold]
fn attend_slow(node: &Handle) -> bool {
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

/// What a look at the deadlines has found, to be done outside the lock.
enum Chore {
    Arm(Handle, Instant),
    Expire(Handle),
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
                chores.push(Chore::Expire(node));
            }
            return;
        }
        // It does not go by real time: no thread can watch it, so whoever checks, looks.
        keep_looking |= deadline.is_virtual;
        // A token that has just been dropped takes its deadline along.
        let Some(node) = node.try_clone() else { return };
        if deadline.is_virtual == now.is_virtual && deadline.at <= now.at {
            chores.push(Chore::Expire(node));
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
                    expire(&node);
                }
            }
            Chore::Expire(node) => expire(&node),
        }
    }
    // The next thread watches what the lost one did.
    let is_unwatched = has_lost_thread && !timer::serve();
    keep_looking || is_unwatched
}

/// Has the timer thread cancel this node at `at`, which is its deadline; `false` if there is no such thread.
#[must_use = "without a thread somebody has to look"]
pub(super) fn watch_by_thread(node: &Handle, at: Instant) -> bool {
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

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests/watch.rs"]
mod tests;
