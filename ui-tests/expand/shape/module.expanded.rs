pub mod store {
    use super::Error;
    pub fn sum(numbers: &[u64]) -> Result<u64, Error> {
        fn _cancelable_here() {}
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Result<u64, Error>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        Ok(numbers.iter().sum())
    }
    pub const fn limit() -> Option<u64> {
        None
    }
    pub async fn close() {}
    #[tokio::main]
    async fn main() -> Result<(), Error> {
        Ok(())
    }
    impl Store {
        fn load(&self) -> Option<u32> {
            fn _cancelable_here() {}
            if ::cancelable::__private::Site.is_refused() {
                return ::cancelable::__private::from_cancelled::<
                    Option<u32>,
                >(::cancelable::__private::Site.refused(_cancelable_here));
            }
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
    impl Raw {
        fn load(&self) -> Option<u32> {
            None
        }
    }
    pub trait Load {
        fn load(&self) -> Option<u32> {
            fn _cancelable_here() {}
            if ::cancelable::__private::Site.is_refused() {
                return ::cancelable::__private::from_cancelled::<
                    Option<u32>,
                >(::cancelable::__private::Site.refused(_cancelable_here));
            }
            None
        }
    }
    mod inner {
        pub(super) fn first() -> Option<u32> {
            fn _cancelable_here() {}
            if ::cancelable::__private::Site.is_refused() {
                return ::cancelable::__private::from_cancelled::<
                    Option<u32>,
                >(::cancelable::__private::Site.refused(_cancelable_here));
            }
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
