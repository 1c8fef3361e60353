#[cancelable(every = 8)]
pub mod store {
    use super::Error;

    pub fn sum(numbers: &[u64]) -> Result<u64, Error> {
        Ok(numbers.iter().sum())
    }

    pub const fn limit() -> Option<u64> {
        None
    }

    #[cancelable(skip)]
    pub async fn close() {}

    #[tokio::main]
    async fn main() -> Result<(), Error> {
        Ok(())
    }

    impl Store {
        fn load(&self) -> Option<u32> {
            self.first()
        }

        fn len(&self) -> usize {
            self.len
        }
    }

    impl Display for Store {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("store")
        }
    }

    #[cancelable(skip)]
    impl Raw {
        fn load(&self) -> Option<u32> {
            None
        }
    }

    pub trait Load {
        fn load(&self) -> Option<u32> {
            None
        }
    }

    mod inner {
        pub(super) fn first() -> Option<u32> {
            None
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn it_works() -> Result<(), Error> {
            Ok(())
        }
    }
}
