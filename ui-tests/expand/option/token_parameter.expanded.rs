/**

**Cancelable.** Check points: entry.*/
fn token_parameter(before: u32) -> Option<u32> {
    let token: &CancellationToken = &::cancelable::__private::token_parameter::<
        CancellationToken,
    >();
    let mut owned: CancellationToken = ::cancelable::__private::token_parameter::<
        CancellationToken,
    >();
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(cancelable_cancelled);
    }
    owned = token.clone();
    Some(before)
}
