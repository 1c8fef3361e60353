//! What can be tested only in a library; the suites are in `tests/`, the cases in `fail/` and `expand/`.

/// The attribute does not document what nobody documented: `missing_docs` still fires.
pub mod undocumented {
    use cancelable::{Cancelled, cancelable};

    #[expect(missing_docs, reason = "there is none, and so the lint is to say so")]
    #[cancelable(timeout = "5s")]
    pub async fn function() -> Result<(), Cancelled> {
        Ok(())
    }

    /// A type.
    #[derive(Debug)]
    pub struct Type;

    #[cancelable]
    impl Type {
        #[expect(missing_docs, reason = "there is none, and so the lint is to say so")]
        pub fn method(&self) -> Option<u32> {
            Some(1)
        }
    }
}
