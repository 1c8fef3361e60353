//! From a program to futures.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::__private::Site;
use cancelable::{CancelFutureExt as _, CancellationToken, Scope, check, current, guard, race, shield};
use futures::future::{Either, join_all, select};
use futures::stream::StreamExt as _;
use tests::ready_after;

use super::executor::run_until_stalled;
use super::members::{MemberWaker, Members, crowd};
use super::values::Value;
use super::{Fut, Output, Witness, World};
use crate::program::{Deadline, Grace, Kind, Node, Region, Turn, What};

/// Where the check points are.
pub(super) const FILE: &str = file!();

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);

/// Notes that the check point on this line is of this sort.
macro_rules! at {
    ($world:ident, $sort:literal, $e:expr) => {{
        $world.site(line!(), $sort);
        $e
    }};
}

pub(super) struct Build<'a> {
    world: &'a Arc<World>,
    next_id: usize,
    /// What the bodies round the node own.
    values: Vec<Arc<Value>>,
}

impl<'a> Build<'a> {
    pub(super) fn new(world: &'a Arc<World>) -> Self {
        Self {
            world,
            next_id: 0,
            values: Vec::new(),
        }
    }

    fn next_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id - 1
    }

    pub(super) fn node(&mut self, node: &Node, observed: bool) -> Fut {
        let id = self.next_id();
        let inner = self.inner(node, id, observed);
        let world = Arc::clone(self.world);
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

    fn nodes(&mut self, nodes: &[Node], observed: bool) -> Vec<Fut> {
        nodes.iter().map(|node| self.node(node, observed)).collect()
    }

    fn inner(&mut self, node: &Node, id: usize, observed: bool) -> Fut {
        let world = Arc::clone(self.world);
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
                let futures = self.nodes(nodes, observed);
                Box::pin(async move {
                    for future in futures {
                        future.await?;
                    }
                    Ok(())
                })
            }
            Node::Guard(inner) => {
                let inner = self.node(inner, observed);
                Box::pin(async move { at!(world, "guard", guard(inner)).await? })
            }
            Node::Finish(inner) => {
                let inner = self.node(inner, observed);
                Box::pin(async move { at!(world, "finish", Site.finish(inner, || ())).await? })
            }
            Node::Swallow(inner) => {
                let inner = self.node(inner, observed);
                Box::pin(async move { inner.await.or(Ok(())) })
            }
            Node::In(region, body) => {
                let body = self.node(body, region.observed);
                enter(region, id, body, &world)
            }
            Node::Join(nodes) => {
                let futures = self.nodes(nodes, observed);
                Box::pin(async move { join_all(futures).await.into_iter().collect() })
            }
            Node::Select(a, b) => {
                let both = select(self.node(a, observed), self.node(b, observed));
                Box::pin(async move {
                    match both.await {
                        Either::Left((output, _)) | Either::Right((output, _)) => output,
                    }
                })
            }
            Node::Members { per_poll: 0, members } => {
                let mut members = crowd(0, self.nodes(members, observed).into_iter());
                Box::pin(async move {
                    let mut all = Ok(());
                    while let Some(output) = members.next().await {
                        all = all.and(output);
                    }
                    all
                })
            }
            Node::Members { per_poll, members } => {
                Box::pin(Members::new(*per_poll, self.nodes(members, observed).into_iter()).join())
            }
            Node::Crowd {
                per_poll,
                members,
                turn,
            } => {
                let members = crowd(*per_poll, self.nodes(members, observed).into_iter());
                Box::pin(turns(members, *turn, world))
            }
            Node::Parked(parked, then) => {
                let (mut parked, then) = (self.node(parked, observed), self.node(then, observed));
                Box::pin(async move {
                    let waker = MemberWaker::new();
                    poll_fn(|cx| {
                        waker.set_owner(cx);
                        let _ = waker.poll(&mut parked);
                        Poll::Ready(())
                    })
                    .await;
                    then.await
                })
            }
            Node::Race { observed, branches } => self.race(*observed, branches),
            Node::Own { shared, value, body } => {
                let value = Value::new(*shared, self.node(value, observed));
                let owned = value.owned();
                self.values.push(value);
                let body = self.node(body, observed);
                self.values.pop();
                Box::pin(async move {
                    let output = body.await;
                    drop(owned);
                    output
                })
            }
            Node::Use { which, take } => {
                let number = self.values.len().checked_sub(1 + which);
                let (value, take) = (number.map(|number| Arc::clone(&self.values[number])), *take);
                Box::pin(async move {
                    match value {
                        Some(value) => value.use_it(id, take).await,
                        None => Ok(()),
                    }
                })
            }
            Node::Executor(inner) => Box::pin(run_until_stalled(self.node(inner, observed))),
            Node::Coroutine { inside, body } => {
                let (body, inside) = (self.node(body, observed), inside.then(|| world.given(0)));
                coroutine(body, inside)
            }
            Node::Spawn(inner) => {
                let inner = self.node(inner, observed);
                Box::pin(async move {
                    world.spawn(inner);
                    Ok(())
                })
            }
        }
    }

    fn race(&mut self, observed: bool, branches: &[Node]) -> Fut {
        let world = self.world;
        let is_decided = Arc::new(AtomicBool::new(false));
        let mut branches = branches.iter().map(|branch| {
            self.next_id();
            let body = self.node(branch, observed);
            let (world, decides) = (Arc::clone(world), Arc::clone(&is_decided));
            async move {
                if observed {
                    world.learn(&current());
                }
                let output = body.await;
                decides.store(true, Ordering::Relaxed);
                output
            }
        });
        // A tuple where there are two, to try that as well.
        if branches.len() == 2 {
            let both = (branches.next().unwrap(), branches.next().unwrap());
            return Box::pin(once_more(at!(world, "race", race(both)), is_decided));
        }
        let all: Vec<_> = branches.collect();
        Box::pin(once_more(at!(world, "race", race(all)), is_decided))
    }
}

/// Has the race polled once more when it is decided, and pending. If its losers have tokens it does so by itself, and otherwise has
/// no need to, for it has polled them again.
async fn once_more<F: Future>(race: F, is_decided: Arc<AtomicBool>) -> F::Output {
    let mut race = pin!(race);
    poll_fn(|cx| {
        let poll = race.as_mut().poll(cx);
        if poll.is_pending() && is_decided.swap(false, Ordering::Relaxed) {
            cx.waker().wake_by_ref();
        }
        poll
    })
    .await
}

#[cfg(all(unix, any(target_arch = "x86_64", target_arch = "aarch64")))]
fn coroutine(body: Fut, inside: Option<CancellationToken>) -> Fut {
    Box::pin(super::coroutine::in_coroutine(body, inside))
}

#[cfg(not(all(unix, any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn coroutine(_: Fut, _: Option<CancellationToken>) -> Fut {
    unreachable!("there are no programs with coroutines on this platform")
}

/// The loop over a crowd.
async fn turns(mut members: impl futures::Stream<Item = Output> + Unpin, turn: Turn, world: Arc<World>) -> Output {
    for _ in 0..turn.turns {
        let next = async {
            let Some(polls) = turn.tick else {
                return Either::Left(members.next().await);
            };
            match select(members.next(), ready_after(polls, ())).await {
                Either::Left((item, _)) => Either::Left(item),
                Either::Right(_) => Either::Right(()),
            }
        };
        let item = if turn.guarded {
            at!(world, "guard", guard(next)).await?
        } else {
            next.await
        };
        match item {
            Either::Left(None) => break,
            Either::Left(Some(output)) if turn.leaves => output?,
            Either::Left(Some(_)) | Either::Right(()) => {}
        }
    }
    Ok(())
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
