//! What is not told of, though no check point reaches it: it is right as it is, and a warning would be one too many.

#![deny(warnings)]
#![allow(dead_code, reason = "it is enough that it compiles")]

use cancelable::{Cancelled, cancelable, check, shield};
use std::future::{pending, ready};
use std::time::Duration;

#[cancelable]
fn starts_a_task() -> Result<(), Cancelled> {
    tokio::spawn(async move {
        loop {
            pending::<()>().await;
        }
    });
    std::thread::spawn(|| for _ in 0..3 {});
    Ok(())
}

struct Service;

#[cancelable]
impl Service {
    fn start(&self) -> Result<(), Cancelled> {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async { while ready(false).await {} });
        Ok(())
    }
}

#[cancelable]
fn has_a_loop_besides(numbers: &[u32]) -> Result<u32, Cancelled> {
    let halve = |mut n: u32| {
        while n > 1 {
            n /= 2;
        }
        n
    };
    let mut sum = 0;
    for n in numbers {
        sum += halve(*n);
    }
    Ok(sum)
}

#[cancelable]
async fn waits_for_what_waits() -> Result<(), Cancelled> {
    let _ = tokio::time::timeout(Duration::from_secs(1), async { pending::<()>().await }).await;
    Ok(())
}

#[cancelable]
async fn at_the_end() -> Result<u32, Cancelled> {
    std::convert::identity(async { Ok(ready(1).await) }).await
}

#[cancelable]
fn asks_in_the_closure(numbers: &[u32]) -> Result<u32, Cancelled> {
    let halve = |mut n: u32| {
        while n > 1 {
            check()?;
            n /= 2;
        }
        Ok(n)
    };
    numbers.iter().copied().map(halve).sum()
}

#[cancelable]
fn says_that_it_is_meant(numbers: &[u32]) -> Result<u32, Cancelled> {
    #[cancelable(skip)]
    let sum = numbers
        .iter()
        .map(|n| {
            for _ in 0..*n {}
            *n
        })
        .sum();
    Ok(sum)
}

#[cancelable]
async fn shields() -> Result<(), Cancelled> {
    shield(async {
        for _ in 0..3 {
            ready(()).await
        }
    })
    .await;
    Ok(())
}

#[cancelable]
async fn has_a_scope() -> Result<(), Cancelled> {
    cancelable::cancel_scope!(timeout = "1s", {
        for _ in 0..3 {}
        Ok(())
    })
}

#[cancelable]
fn has_nothing_to_wait_for(numbers: &[u32]) -> Option<u32> {
    numbers.iter().map(|n| n + 1).max()
}

/// Behind a loop that a cancel has left, but not so that anything is lost; or somebody knows of it.
mod behind_a_left_loop {
    use super::*;
    use cancelable::{current, shield_sync};

    async fn save(_: u32) {}

    #[cancelable]
    async fn shields(mut best: u32) -> Result<u32, Cancelled> {
        #[cancelable(break)]
        while best < 3 {
            best += 1;
        }
        #[cancelable(shield)]
        save(best).await;
        #[cancelable(shield = "1s")]
        {
            save(best).await;
            save(best).await;
        }
        #[cancelable(skip)]
        save(best).await;
        shield(save(best)).await;
        shield!(timeout = "1s", async { Ok::<_, Cancelled>(save(best).await) }).await?;
        shield_sync(|| ());
        Ok(best)
    }

    #[cancelable]
    async fn returns(mut best: u32) -> Result<u32, Cancelled> {
        if best > 5 {
            #[cancelable(break)]
            while best < 3 {
                best += 1;
            }
            return Ok(best);
        }
        save(best).await;
        match best {
            0 =>
            {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
            }
            1 => save(best).await,
            _ => {}
        }
        Ok(best)
    }

    #[cancelable]
    async fn asks(mut best: u32) -> Result<u32, Cancelled> {
        #[cancelable(break)]
        while best < 3 {
            best += 1;
        }
        if current().is_cancelled() {
            return Ok(best);
        }
        save(best).await;
        Ok(best)
    }

    #[cancelable]
    async fn leaves_another_loop(mut best: u32) -> Result<u32, Cancelled> {
        #[cancelable(break)]
        loop {
            #[cancelable(break)]
            while best < 3 {
                best += 1;
            }
            save(best).await;
            if best > 5 {
                break;
            }
        }
        Ok(best)
    }

    #[cancelable]
    async fn shields_the_loop(mut best: u32) -> Result<u32, Cancelled> {
        #[cancelable(shield = "1s")]
        {
            #[cancelable(break)]
            while best < 3 {
                best += 1;
            }
        }
        save(best).await;
        Ok(best)
    }

    #[cancelable]
    async fn leaves_the_branch_by_a_jump(mut best: u32) -> Result<u32, Cancelled> {
        for n in 0..9 {
            if best < 1 {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                break;
            }
            let Some(m) = Some(n).filter(|n| *n > 1) else {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                continue;
            };
            let _ = best > m && {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                return Ok(best);
            };
            save(best).await;
        }
        Ok(best)
    }

    #[cancelable]
    async fn leaves_a_block(mut best: u32) -> Result<u32, Cancelled> {
        Ok('found: {
            if best > 5 {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                break 'found best;
            }
            save(best).await;
            best
        })
    }

    #[cancelable]
    async fn leaves_the_branch_for_good(how: u32) -> Result<u32, Cancelled> {
        let mut best = 0;
        match how {
            0 => {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                panic!("{best}");
            }
            1 => {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                unreachable!()
            }
            2 => {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                std::process::exit(3);
            }
            3 => {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                Err(check().unwrap_err())?;
            }
            4 => {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                #[cancelable(shield)]
                return Ok(ready(best).await);
            }
            5 => loop {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                if best > 2 {
                    return Ok(best);
                }
            },
            _ => {}
        }
        save(best).await;
        Ok(best)
    }

    #[cancelable]
    async fn asks_why(mut best: u32) -> Result<u32, Cancelled> {
        #[cancelable(break)]
        while best < 3 {
            best += 1;
        }
        if current().reason().is_some() {
            return Ok(best);
        }
        save(best).await;
        Ok(best)
    }

    #[cancelable]
    async fn asks_in_a_condition(mut best: u32) -> Result<u32, Cancelled> {
        let token = current();
        #[cancelable(break)]
        while best < 3 {
            best += 1;
        }
        while !token.is_cancelled() {
            save(best).await;
        }
        Ok(best)
    }

    #[cancelable]
    async fn shields_both(mut best: u32) -> Result<u32, Cancelled> {
        #[cancelable(shield)]
        {
            #[cancelable(break)]
            while best < 3 {
                best += 1;
            }
            save(best).await;
        }
        Ok(best)
    }

    #[cancelable]
    async fn in_another_branch_of_a_select(mut best: u32) -> Result<u32, Cancelled> {
        tokio::select! {
            () = ready(()) => {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
            }
            () = save(best) => save(best).await,
        }
        Ok(best)
    }
}
