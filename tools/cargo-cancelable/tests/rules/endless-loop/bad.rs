use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve(jobs: Jobs) -> Result<(), Cancelled> {
    cancelable::tokio::spawn(async move {
        loop { //~
            jobs.take().await;
        }
    });
    cancelable::thread::spawn(|| {
        while true { //~
            step();
        }
    });
    let pump = || loop { //~
        step();
    };
    pump();
    forever();
    Ok(())
}

fn forever() -> ! {
    loop { //~
        step();
    }
}

fn step() {}
