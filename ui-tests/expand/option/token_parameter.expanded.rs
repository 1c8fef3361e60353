fn token_parameter(before: u32) -> Option<u32> {
    let token: &CancellationToken = &::cancelable::__private::token_parameter::<
        CancellationToken,
    >();
    let mut owned: CancellationToken = ::cancelable::__private::token_parameter::<
        CancellationToken,
    >();
    {
        if ::cancelable::__private::Site.is_cancelled() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.cancelled());
        }
        owned = token.clone();
        Some(before)
    }
}
