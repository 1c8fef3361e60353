fn token_parameter(before: u32) -> Option<u32> {
    fn _cancelable_here() {}
    let token: &CancellationToken = &::cancelable::__private::token_parameter::<
        CancellationToken,
    >();
    let mut owned: CancellationToken = ::cancelable::__private::token_parameter::<
        CancellationToken,
    >();
    {
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        owned = token.clone();
        Some(before)
    }
}
