//! Programs as they are printed: so that a failing one can be pasted into `regressions.rs`. And what can be seen of a run, a line
//! for each event.

use std::fmt::{Debug, Formatter, Result};

use super::{Action, Deadline, Event, Grace, Node, Region, Turn};

impl Debug for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Ready => write!(f, "Ready"),
            Self::Yield(polls) => write!(f, "Yield({polls})"),
            Self::Forever => write!(f, "Forever"),
            Self::Check => write!(f, "Check"),
            Self::Cancel(known) => write!(f, "Cancel({known})"),
            Self::Seq(all) => write!(f, "Seq(vec!{all:?})"),
            Self::Guard(a) => write!(f, "Guard(Box::new({a:?}))"),
            Self::Finish(a) => write!(f, "Finish(Box::new({a:?}))"),
            Self::Swallow(a) => write!(f, "Swallow(Box::new({a:?}))"),
            Self::In(region, body) => write!(f, "In({region:?}, Box::new({body:?}))"),
            Self::Join(all) => write!(f, "Join(vec!{all:?})"),
            Self::Select(a, b) => write!(f, "Select(Box::new({a:?}), Box::new({b:?}))"),
            Self::Members { per_poll, members } => {
                write!(f, "Members {{ per_poll: {per_poll}, members: vec!{members:?} }}")
            }
            Self::Parked(a, b) => write!(f, "Parked(Box::new({a:?}), Box::new({b:?}))"),
            Self::Race { observed, branches } => {
                write!(f, "Race {{ observed: {observed}, branches: vec!{branches:?} }}")
            }
            Self::Own { shared, value, body } => write!(
                f,
                "Own {{ shared: {shared}, value: Box::new({value:?}), body: Box::new({body:?}) }}"
            ),
            Self::Use { which, take } => write!(f, "Use {{ which: {which}, take: {take} }}"),
            Self::Crowd {
                per_poll,
                members,
                turn,
            } => write!(
                f,
                "Crowd {{ per_poll: {per_poll}, members: vec!{members:?}, turn: {turn:?} }}"
            ),
            Self::Executor(a) => write!(f, "Executor(Box::new({a:?}))"),
            Self::Coroutine { inside, body } => {
                write!(f, "Coroutine {{ inside: {inside}, body: Box::new({body:?}) }}")
            }
            Self::Spawn(a) => write!(f, "Spawn(Box::new({a:?}))"),
        }
    }
}

impl Debug for Turn {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            guarded,
            leaves,
            tick,
            turns,
        } = self;
        write!(
            f,
            "Turn {{ guarded: {guarded}, leaves: {leaves}, tick: {tick:?}, turns: {turns} }}"
        )
    }
}

impl Debug for Region {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            kind,
            observed,
            named,
            deadline,
            grace,
        } = self;
        if *deadline != Deadline::None || *grace != Grace::None || *named {
            return write!(
                f,
                "Region {{ kind: Kind::{kind:?}, observed: {observed}, named: {named}, deadline: Deadline::{deadline:?}, \
                 grace: Grace::{grace:?} }}"
            );
        }
        match observed {
            true => write!(f, "Region {{ observed: true, ..plain(Kind::{kind:?}) }}"),
            false => write!(f, "plain(Kind::{kind:?})"),
        }
    }
}

impl Debug for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Cancel(known) => write!(f, "Action::Cancel({known})"),
            Self::Poll => write!(f, "Action::Poll"),
            Self::Drop => write!(f, "Action::Drop"),
        }
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            node,
            what,
            ambient,
            cancelled,
        } = self;
        let cancelled = if *cancelled { ", cancelled" } else { "" };
        match ambient {
            Some(token) => write!(f, "node {node} in token {token}{cancelled}: {what:?}"),
            None => write!(f, "node {node}{cancelled}: {what:?}"),
        }
    }
}
