#[cancelable(yield_every = 64)]
async fn yield_every(jobs: &mut Jobs) -> Option<u32> {
    for n in 0..9 {
        work(n);
    }
    while let Some(job) = jobs.next().await {
        job.run();
    }
    None
}

#[cancelable(every = step, yield_every = step * 100)]
async fn yield_every_and_every(step: usize, numbers: &[u32]) -> Option<u32> {
    for n in numbers {
        work(n);
    }
    while more() {}
    None
}
