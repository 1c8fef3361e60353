//! <https://github.com/osa1/tiny/issues/153>: a `select!` loop goes round without end and nothing else runs. In annotated code each
//! iteration is a check point: silent, and it ends when it is cancelled.

use cancelable::{Cancelled, cancelable};
use tokio::sync::mpsc;

#[cancelable]
async fn client(mut commands: mpsc::Receiver<u8>, mut pings: mpsc::Receiver<u8>) -> Result<(), Cancelled> {
    loop {
        tokio::select! {
            command = commands.recv() => println!("{command:?}"),
            ping = pings.recv() => println!("{ping:?}"),
        }
    }
}
