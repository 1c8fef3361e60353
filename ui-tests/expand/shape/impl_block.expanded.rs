impl Store {
    async fn load(&self) -> Result<u32, Error> {
        fn _cancelable_here() {}
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        match ::cancelable::__private::Site.guard(self.read(), _cancelable_here).await {
            ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
            ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                return ::cancelable::__private::from_cancelled::<
                    Result<u32, Error>,
                >(cancelable_cancelled);
            }
        }
    }
    fn len(&self) -> usize {
        self.len
    }
    async fn close(&self) {}
    async fn count(&self) -> usize {
        fn _cancelable_here() {}
        'cancelled: {
            #[allow(
                unreachable_code,
                clippy::diverging_sub_expression,
                clippy::needless_return
            )]
            return {
                if ::cancelable::__private::Site.is_refused() {
                    break 'cancelled;
                }
                0
            };
        }
        0
    }
}
