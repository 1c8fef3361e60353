fn boxed_tail(n: u32) -> Pin<Box<dyn Future<Output = Option<u32>> + Send>> {
    Box::pin(async move {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site.scope().name("boxed");
        let cancelable_place = ::cancelable::__private::pin!(
            ::cancelable::__private::Option::Some(async move { { {
            #[allow(unreachable_code, clippy::diverging_sub_expression,
            clippy::let_unit_value)] if let
            ::cancelable::__private::Option::Some(cancelable_dead) =
            ::cancelable::__private::Option::None:: < Option < u32 > > { return
            cancelable_dead; } Some(n) } } })
        );
        ::cancelable::__private::Site
            .run_or(
                cancelable_scope,
                ::cancelable::__private::Lent::of(cancelable_place),
                |cancelable_cancelled| {
                    ::cancelable::__private::from_cancelled::<
                        Option<u32>,
                    >(
                        ::cancelable::__private::Site
                            .in_scope(cancelable_cancelled, _cancelable_here),
                    )
                },
            )
            .await
    })
}
