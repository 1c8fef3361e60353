//! A test that cancels a function at each of its check points, one after the other.
//!
//! `cargo test -p examples --example inject`

use std::cell::Cell;
use std::time::Duration;

use cancelable::{Cancelled, cancelable};

type Told = Result<(), Cancelled>;

/// Money that must not get lost on its way, wherever a cancel comes.
struct Accounts {
    from: Cell<u32>,
    to: Cell<u32>,
}

impl Accounts {
    fn new() -> Self {
        let [from, to] = [100, 0].map(Cell::new);
        Self { from, to }
    }

    /// In two parts, each of which the auditor is told of.
    #[cancelable]
    async fn transfer(&self, amount: u32, tell_auditor: impl AsyncFn(u32) -> Told) -> Told {
        for part in [amount / 2, amount - amount / 2] {
            // First what waits. Try it in between: the test says which check point loses the money.
            tell_auditor(part).await?;
            self.from.set(self.from.get() - part);
            self.to.set(self.to.get() + part);
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Told {
    let accounts = Accounts::new();
    accounts.transfer(75, async |_| Ok(())).await?;
    println!("{} and {}", accounts.from.get(), accounts.to.get());
    Ok(())
}

#[cfg(test)]
mod tests {
    use cancelable::testing::{Outcome, inject};
    use tokio::runtime::Builder;

    use super::*;

    fn no_money_is_lost(outcome: Outcome<(Told, Accounts)>) {
        let (result, accounts) = &outcome.value;
        assert_eq!(accounts.from.get() + accounts.to.get(), 100);
        assert_eq!(result.is_err(), outcome.injected().is_some());
    }

    /// Needs no runtime. `cancelable::sleep` takes no time here.
    #[test]
    fn wherever_a_cancel_comes() {
        inject(async || {
            let accounts = Accounts::new();
            let tell_auditor = async |_| cancelable::sleep(Duration::from_secs(1)).await;
            (accounts.transfer(75, tell_auditor).await, accounts)
        })
        .assert(no_money_is_lost);
    }

    /// tokio's own `sleep`, like its sockets and files, wants a runtime, which is made for each run.
    #[test]
    fn wherever_a_cancel_comes_on_tokio() {
        let runtime = || Builder::new_current_thread().enable_time().build().unwrap();
        inject(async || {
            let accounts = Accounts::new();
            let tell_auditor = async |_| Ok(tokio::time::sleep(Duration::from_millis(1)).await);
            (accounts.transfer(75, tell_auditor).await, accounts)
        })
        .assert_on(|run| runtime().block_on(run), no_money_is_lost);
    }
}
