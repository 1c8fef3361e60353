//! The same programs, made of the library.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cancelable::__private::Site;
use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, check, current, guard, is_cancelled, race, shield,
};
use futures::future::{Either, join_all, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::ready_after;

use super::program::{Deadline, End, Event, Grace, Kind, Node, Notice, Region, What};

pub(crate) type Output = Result<(), Cancelled>;
pub(crate) type Fut = Pin<Box<dyn Future<Output = Output> + Send>>;

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) struct World {
    known: Mutex<Vec<CancellationToken>>,
    asked: AtomicUsize,
    log: Mutex<Vec<Event>>,
    /// Which sort of check point each line below has.
    sites: Mutex<HashMap<u32, &'static str>>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let first = CancellationToken::new();
        let second = first.child_token();
        Arc::new(Self {
            known: Mutex::new(vec![first, second, CancellationToken::new()]),
            asked: AtomicUsize::new(0),
            log: Mutex::default(),
            sites: Mutex::default(),
        })
    }

    pub(crate) fn ask(&self, known: usize) -> (usize, bool) {
        let (known, token) = {
            let all = self.known.lock().unwrap();
            (known % all.len(), all[known % all.len()].clone())
        };
        let message = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        (known, token.cancel_with(message.to_string()))
    }

    pub(crate) fn given(&self, token: usize) -> CancellationToken {
        self.known.lock().unwrap()[token].clone()
    }

    pub(crate) fn log(&self) -> Vec<Event> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn ends(&self) -> Vec<Option<End>> {
        let known = self.known.lock().unwrap();
        let end = |token: &CancellationToken| {
            token.reason().map(|reason| End {
                kind: reason.kind(),
                message: reason.message().map(Into::into),
                inherited: token.is_inherited(),
            })
        };
        known.iter().map(end).collect()
    }

    fn learn(&self, token: &CancellationToken) {
        assert_eq!(*token, current());
        let mut known = self.known.lock().unwrap();
        if !known.contains(token) {
            known.push(token.clone());
        }
    }

    fn say(&self, node: usize, observed: bool, what: What) {
        let ambient = || {
            let token = current();
            self.known.lock().unwrap().iter().position(|known| *known == token)
        };
        let event = Event {
            node,
            what,
            ambient: if observed { ambient() } else { None },
            cancelled: is_cancelled(),
        };
        self.log.lock().unwrap().push(event);
    }

    fn notice(&self, error: &Cancelled) -> Notice {
        let known = self.known.lock().unwrap();
        Notice {
            kind: error.kind(),
            message: error.reason().message().map(Into::into),
            belongs_to: (0..known.len()).filter(|&at| error.belongs_to(&known[at])).collect(),
            noticed_by: self.sort(error.observed_at()),
            scope_name: error.scope_name().map(Into::into),
            forced: error.was_forced(),
        }
    }

    fn sort(&self, location: &Location<'_>) -> &'static str {
        assert_eq!(location.file(), file!());
        self.sites.lock().unwrap()[&location.line()]
    }
}

/// Notes that the check point on this line is of this sort.
macro_rules! at {
    ($world:ident, $sort:literal, $e:expr) => {{
        $world.sites.lock().unwrap().insert(line!(), $sort);
        $e
    }};
}

/// Says so if the node is dropped before its end.
struct Witness<'a> {
    world: &'a World,
    node: usize,
    observed: bool,
    over: bool,
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.world.say(self.node, self.observed, What::Dropped);
        }
    }
}

pub(crate) fn build(node: &Node, next_id: &mut usize, observed: bool, world: &Arc<World>) -> Fut {
    let id = *next_id;
    *next_id += 1;
    let inner = build_inner(node, id, next_id, observed, world);
    let world = Arc::clone(world);
    Box::pin(async move {
        world.say(id, observed, What::Started);
        let mut witness = Witness {
            world: &world,
            node: id,
            observed,
            over: false,
        };
        let output = inner.await;
        witness.over = true;
        let what = match &output {
            Ok(()) => What::Value,
            Err(error) => What::Error(world.notice(error)),
        };
        world.say(id, observed, what);
        output
    })
}

fn build_inner(node: &Node, id: usize, next_id: &mut usize, observed: bool, world: &Arc<World>) -> Fut {
    let mut make = |node: &Node| build(node, next_id, observed, world);
    let world = Arc::clone(world);
    match node {
        Node::Ready => Box::pin(async { Ok(()) }),
        Node::Yield(polls) => Box::pin(ready_after(*polls, Ok(()))),
        Node::Forever => Box::pin(pending()),
        Node::Check => Box::pin(async move { at!(world, "check", check()) }),
        Node::Cancel(known) => {
            let known = *known;
            Box::pin(async move {
                let (known, by_this_call) = world.ask(known);
                world.say(id, observed, What::Cancelled { known, by_this_call });
                Ok(())
            })
        }
        Node::Seq(nodes) => {
            let futures: Vec<_> = nodes.iter().map(make).collect();
            Box::pin(async move {
                for future in futures {
                    future.await?;
                }
                Ok(())
            })
        }
        Node::Guard(inner) => {
            let inner = make(inner);
            Box::pin(async move { at!(world, "guard", guard(inner)).await? })
        }
        Node::Finish(inner) => {
            let inner = make(inner);
            Box::pin(async move { at!(world, "finish", Site.finish(inner)).await? })
        }
        Node::Swallow(inner) => {
            let inner = make(inner);
            Box::pin(async move { inner.await.or(Ok(())) })
        }
        Node::In(region, body) => {
            let body = build(body, next_id, region.observed, &world);
            enter(region, id, body, &world)
        }
        Node::Join(nodes) => {
            let futures: Vec<_> = nodes.iter().map(make).collect();
            Box::pin(async move { join_all(futures).await.into_iter().collect() })
        }
        Node::Select(a, b) => {
            let both = select(make(a), make(b));
            Box::pin(async move {
                match both.await {
                    Either::Left((output, _)) | Either::Right((output, _)) => output,
                }
            })
        }
        Node::Members { per_poll: 0, members } => {
            let mut members: FuturesUnordered<_> = members.iter().map(make).collect();
            Box::pin(async move {
                let mut all = Ok(());
                while let Some(output) = members.next().await {
                    all = all.and(output);
                }
                all
            })
        }
        Node::Members { per_poll, members } => Box::pin(Members::new(*per_poll, members.iter().map(make))),
        Node::Parked(parked, then) => {
            let (mut parked, then) = (make(parked), make(then));
            Box::pin(async move {
                let waker = MemberWaker::new();
                std::future::poll_fn(|cx| {
                    *waker.owner.lock().unwrap() = Some(cx.waker().clone());
                    let _ = parked
                        .as_mut()
                        .poll(&mut Context::from_waker(&Waker::from(Arc::clone(&waker))));
                    Poll::Ready(())
                })
                .await;
                then.await
            })
        }
        Node::Race { observed, branches } => {
            let observed = *observed;
            let mut branches = branches.iter().map(|branch| {
                *next_id += 1;
                let body = build(branch, next_id, observed, &world);
                let world = Arc::clone(&world);
                async move {
                    if observed {
                        world.learn(&current());
                    }
                    body.await
                }
            });
            // A tuple where there are two, to try that as well.
            if branches.len() == 2 {
                let both = (branches.next().unwrap(), branches.next().unwrap());
                return Box::pin(at!(world, "race", race(both)));
            }
            let all: Vec<_> = branches.collect();
            Box::pin(at!(world, "race", race(all)))
        }
    }
}

fn enter(region: &Region, id: usize, body: Fut, world: &Arc<World>) -> Fut {
    let world = Arc::clone(world);
    let observed = region.observed;
    let there = Arc::clone(&world);
    let body = async move {
        if observed {
            there.learn(&current());
        }
        body.await
    };
    let mut scope = Scope::new();
    match region.kind {
        Kind::Scope => {}
        Kind::Detached => scope = scope.detached(),
        Kind::Below(token) => scope = scope.parent(&world.given(token)),
        Kind::Shield => {
            return match region.deadline {
                Deadline::None => Box::pin(at!(world, "shield", shield(body))),
                Deadline::Far => Box::pin(at!(world, "shield", shield(body).timeout(LONG))),
                Deadline::Past => Box::pin(at!(world, "shield", shield(body).timeout(Duration::ZERO))),
            };
        }
        Kind::Ambient(token) => {
            let token = world.given(token);
            return Box::pin(async move { token.scope(body).await });
        }
        Kind::WithCancellation(token) => {
            let token = world.given(token);
            return Box::pin(async move { at!(world, "with_cancellation", body.with_cancellation(&token)).await? });
        }
    }
    if region.named {
        scope = scope.name(id.to_string());
    }
    scope = match region.deadline {
        Deadline::None => scope,
        Deadline::Far => scope.timeout(LONG),
        Deadline::Past => scope.deadline(Instant::now()),
    };
    scope = match region.grace {
        Grace::None => scope,
        Grace::Far => scope.grace(LONG),
        Grace::Zero => scope.grace(Duration::ZERO),
    };
    if region.observed {
        return Box::pin(at!(world, "scope", scope.run_with(|token| check_token(token, body))));
    }
    Box::pin(at!(world, "scope", scope.run(body)))
}

/// The token that a scope hands to its body is the ambient one there.
async fn check_token(token: CancellationToken, body: impl Future<Output = Output>) -> Output {
    assert_eq!(token, current());
    drop(token);
    body.await
}

/// Polls, as `FuturesUnordered` does, only members that were woken, each under a waker of its own, and only so many at a
/// time; but in an order that does not depend on who was woken first.
pub(crate) struct Members {
    members: Vec<(Option<Fut>, Arc<MemberWaker>)>,
    per_poll: usize,
    at: usize,
    first_error: Vec<Option<Cancelled>>,
}

struct MemberWaker {
    woken: AtomicBool,
    owner: Mutex<Option<Waker>>,
}

impl MemberWaker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            owner: Mutex::default(),
        })
    }
}

impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let owner = self.owner.lock().unwrap().clone();
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

impl Members {
    pub(crate) fn new(per_poll: usize, members: impl Iterator<Item = Fut>) -> Self {
        let members: Vec<_> = members.map(|member| (Some(member), MemberWaker::new())).collect();
        Self {
            first_error: members.iter().map(|_| None).collect(),
            members,
            per_poll,
            at: 0,
        }
    }
}

impl Future for Members {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let this = self.get_mut();
        for (_, waker) in &this.members {
            *waker.owner.lock().unwrap() = Some(cx.waker().clone());
        }
        let mut polls = this.per_poll;
        for number in (this.at..this.members.len()).chain(0..this.at) {
            let (member, waker) = &mut this.members[number];
            let Some(future) = member else { continue };
            if polls > 0 && waker.woken.swap(false, Ordering::SeqCst) {
                let polled = future
                    .as_mut()
                    .poll(&mut Context::from_waker(&Waker::from(Arc::clone(waker))));
                if let Poll::Ready(output) = polled {
                    *member = None;
                    this.first_error[number] = output.err();
                }
                this.at = number + 1;
                polls -= 1;
            }
        }
        if this.members.iter().all(|(member, _)| member.is_none()) {
            return Poll::Ready(this.first_error.iter_mut().find_map(Option::take).map_or(Ok(()), Err));
        }
        let is_woken =
            |(member, waker): &(Option<Fut>, Arc<MemberWaker>)| member.is_some() && waker.woken.load(Ordering::SeqCst);
        if this.members.iter().any(is_woken) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
