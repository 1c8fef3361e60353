async fn scope_flag(signal: Signal) -> Result<u32, Cancelled> {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .name("scope_flag")
        .until(signal);
    let cancelable_place = ::cancelable::__private::pin!(
        ::cancelable::__private::Option::Some(async move { { { #[allow(unreachable_code,
        clippy::diverging_sub_expression, clippy::let_unit_value)] if let
        ::cancelable::__private::Option::Some(cancelable_dead) =
        ::cancelable::__private::Option::None:: < Result < u32, Cancelled > > { return
        cancelable_dead; } Ok(match ::cancelable::__private::Site.guard(get(),
        _cancelable_here). await { ::cancelable::__private::Result::Ok(cancelable_value)
        => cancelable_value, ::cancelable::__private::Result::Err(cancelable_cancelled)
        => return ::cancelable::__private::from_cancelled:: < Result < u32, Cancelled > >
        (cancelable_cancelled), }) } } })
    );
    ::cancelable::__private::Site
        .run_or(
            cancelable_scope,
            ::cancelable::__private::Lent::of(cancelable_place),
            |cancelable_cancelled| {
                ::cancelable::__private::from_cancelled::<
                    Result<u32, Cancelled>,
                >(
                    ::cancelable::__private::Site
                        .in_scope(cancelable_cancelled, _cancelable_here),
                )
            },
        )
        .await
}
