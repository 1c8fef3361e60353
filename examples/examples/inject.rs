//! A test that cancels a function at each of its check points, one after the other.
//!
//! `cargo test -p examples --example inject`

use std::cell::Cell;
use std::time::Duration;

use cancelable::{Cancelled, cancelable};

/// Money that must not get lost on its way, wherever a cancel comes.
#[derive(Default)]
struct Accounts {
    from: Cell<i32>,
    to: Cell<i32>,
}

impl Accounts {
    /// In two parts, each of which is reported to the auditor first.
    #[cancelable]
    async fn transfer(&self, amount: i32, report: impl AsyncFn(i32) -> Result<(), Cancelled>) -> Result<(), Cancelled> {
        for part in [amount / 2, amount - amount / 2] {
            // Move this between the two lines below, and the test says which check point loses money.
            report(part).await?;
            self.from.set(self.from.get() - part);
            self.to.set(self.to.get() + part);
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Cancelled> {
    let accounts = Accounts::default();
    let report = async |_| cancelable::sleep(Duration::from_secs(1)).await;
    accounts.transfer(75, report).await?;
    println!("{} and {}", accounts.from.get(), accounts.to.get());
    Ok(())
}

#[cfg(test)]
mod tests {
    use cancelable::testing::{Outcome, inject};
    use tokio::runtime::Builder;

    use super::*;

    fn no_money_is_lost(outcome: Outcome<(Result<(), Cancelled>, Accounts)>) {
        let (result, accounts) = &outcome.value;
        assert_eq!(accounts.from.get() + accounts.to.get(), 0);
        assert_eq!(result.is_err(), outcome.injected().is_some());
    }

    /// Needs no runtime. `cancelable::sleep` takes no time here.
    #[test]
    fn wherever_a_cancel_comes() {
        inject(async || {
            let accounts = Accounts::default();
            let report = async |_| cancelable::sleep(Duration::from_secs(1)).await;
            (accounts.transfer(75, report).await, accounts)
        })
        .assert(no_money_is_lost);
    }

    /// tokio's own `sleep`, like its sockets and files, wants a runtime, which is made for each run.
    #[test]
    fn wherever_a_cancel_comes_on_tokio() {
        let runtime = || Builder::new_current_thread().enable_time().build().unwrap();
        inject(async || {
            let accounts = Accounts::default();
            let report = async |_| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(())
            };
            (accounts.transfer(75, report).await, accounts)
        })
        .assert_on(|run| runtime().block_on(run), no_money_is_lost);
    }
}
