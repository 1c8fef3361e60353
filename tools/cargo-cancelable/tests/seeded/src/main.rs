//! An index that answers searches over TCP: each line is a search, or `+` and a text to add.
//!
//! Ten check points are missing on purpose. `//~ RULE` says in which lines `cargo cancelable check` finds nine of them; the last one,
//! behind a trait object, is found by measuring how long the service runs without a check point. A timeout of a request should end all
//! that it has started, and here does not.

mod index;
mod jobs;
mod log;

use cancelable::{Cancelled, cancelable};
use index::{Index, Rank};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> io::Result<()> {
    run(TcpListener::bind("127.0.0.1:7070").await?).await
}

#[cancelable(scope)]
async fn run(listener: TcpListener) -> io::Result<()> {
    let (queue, index) = (jobs::Queue::new(), Arc::new(Index::default()));
    cancelable::tokio::spawn(jobs::worker(queue.clone(), Arc::clone(&index)));
    loop {
        let (stream, _) = listener.accept().await?;
        let (queue, index) = (queue.clone(), Arc::clone(&index));
        cancelable::tokio::spawn(async move {
            if let Err(error) = serve(stream, queue, index).await {
                eprintln!("{error}");
            }
        });
    }
}

#[cancelable(scope)]
async fn serve(stream: TcpStream, queue: jobs::Queue, index: Arc<Index>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.strip_prefix('+') {
            Some(text) => {
                queue.push(text.to_owned());
                tokio::spawn(log::append(line.clone())); //~ bare-spawn
                "ok\n".to_owned()
            }
            None => search(&index, line).await?,
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[cancelable(timeout = "2s")]
async fn search(index: &Arc<Index>, line: String) -> io::Result<String> {
    let index = Arc::clone(index);
    let ranked = cancelable::tokio::spawn_blocking(move || {
        let words = index::words(&line)?;
        let rank: &dyn Rank = if words.len() > 1 {
            &index::ByLength
        } else {
            &index::Oldest
        };
        index.search(&words, rank)
    });
    Ok(ranked.await.map_err(io::Error::other)??)
}

#[cancelable]
impl Index {
    fn search(&self, words: &[String], rank: &dyn Rank) -> Result<String, Cancelled> {
        let mut found = String::new();
        for word in words {
            // A loop in there is nobody's, as far as the source says.
            let best = rank.best(self, word); //~ stretches
            found.push_str(&best.unwrap_or_default());
            found.push('\n');
        }
        log::count(self.near(words)?);
        Ok(found)
    }

    fn near(&self, words: &[String]) -> Result<usize, Cancelled> {
        let mut near = 0;
        for word in words {
            let is_near = |text: &String| {
                let mut others = text.len().abs_diff(word.len());
                for (one, other) in text.chars().zip(word.chars()) {
                    //~^ out-of-reach
                    others += usize::from(one != other);
                }
                others < 3
            };
            near += self.texts().iter().filter(|text| is_near(text)).count();
        }
        Ok(near)
    }
}

/// The tenth.
#[cfg(test)]
mod tests {
    use super::{Index, search};
    use cancelable::Scope;
    use cancelable::testing::stretches::{Recorder, Report};
    use std::sync::Arc;
    use std::time::Duration;

    /// A search among texts of four megabytes, measured.
    fn measured() -> Report {
        let index = Arc::<Index>::default();
        for n in 0..1_000 {
            index.add_text(&format!("{n} {}", "lorem ipsum ".repeat(330))).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let recorder = Recorder::new();
        let measuring = recorder.everywhere();
        let searched = Scope::new().run(async { search(&index, "dolor sit".to_owned()).await });
        assert_eq!(runtime.block_on(searched).unwrap(), "\n\n");
        drop(measuring);
        recorder.report()
    }

    #[test]
    fn the_longest_stretches_lead_to_the_loop_behind_the_trait_object() {
        let report = measured();
        let lines = || include_str!("main.rs").lines().zip(1..);
        let (_, call) = lines().find(|(line, _)| line.ends_with("//~ stretches")).unwrap();
        // The two words are two iterations: from the first to the second lies one call, and little else.
        let (_, iteration) = lines()
            .filter(|(line, _)| line.contains("for word in words"))
            .find(|&(_, at)| at + 2 == call)
            .unwrap();
        let stretch = report
            .stretches()
            .iter()
            .find(|stretch| (stretch.from().line(), stretch.to().line()) == (iteration, iteration))
            .unwrap_or_else(|| panic!("{report}"));
        assert_eq!(stretch.count(), 1);
        assert!(stretch.max() >= Duration::from_millis(1), "{report}");
    }
}
