//! The texts, and how they are searched.

use cancelable::Cancelled;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct Index {
    texts: Mutex<Vec<String>>,
}

pub(crate) trait Rank {
    fn best(&self, index: &Index, word: &str) -> Option<String>;
}

/// The shortest text with the word.
pub(crate) struct ByLength;

impl Rank for ByLength {
    fn best(&self, index: &Index, word: &str) -> Option<String> {
        let mut best: Option<String> = None;
        for text in index.texts() {
            if text.contains(word) && best.as_ref().is_none_or(|best| text.len() < best.len()) {
                best = Some(text);
            }
        }
        best
    }
}

/// The first text with the word.
pub(crate) struct Oldest;

impl Rank for Oldest {
    fn best(&self, index: &Index, word: &str) -> Option<String> {
        index.texts().into_iter().find(|text| text.contains(word))
    }
}

impl Index {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a text, unless it is there.
    pub(crate) fn add_text(&self, text: &str) -> Result<bool, Cancelled> {
        //~^ unannotated-callee
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        for known in texts.iter() {
            if known == text {
                return Ok(false);
            }
        }
        texts.push(text.to_owned());
        Ok(true)
    }
}

/// The words of a search.
pub(crate) fn words(line: &str) -> Result<Vec<String>, Cancelled> {
    //~^ unannotated-callee
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        words.push(word.to_lowercase());
    }
    Ok(words)
}
