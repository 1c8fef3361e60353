//! The block cannot know by what name it was called, and what an attribute of another name on a method means.

use cancelable::cancelable as stoppable;

struct Job;

#[stoppable]
impl Job {
    #[stoppable(skip)]
    fn left_alone(&self) -> Option<u32> {
        Some(1)
    }

    #[stoppable(timeout = "5s")]
    async fn with_options(&self) -> Option<u32> {
        Some(1)
    }
}

fn main() {}
