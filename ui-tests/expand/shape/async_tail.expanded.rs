fn async_tail(n: u32) -> impl Future<Output = Option<u32>> + Send {
    let doubled = n * 2;
    async move {
        fn _cancelable_here() {}
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        Some(doubled)
    }
}
