async fn shield_in_scope_with_or() -> u32 {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .name("shield_in_scope_with_or");
    let cancelable_gave_up = &::cancelable::__private::GaveUp::new();
    match {
        let cancelable_place = ::cancelable::__private::pin!(
            ::cancelable::__private::Option::Some(async move { { {
            #[allow(unreachable_code, clippy::diverging_sub_expression,
            clippy::let_unit_value)] if let
            ::cancelable::__private::Option::Some(cancelable_dead) =
            ::cancelable::__private::Option::None:: < u32 > { return cancelable_dead; }
            #[allow(clippy::unnecessary_semicolon)] match { let cancelable_limit =
            ::cancelable::__private::Option::Some(::cancelable::__private::Duration::from_millis(2000u64));
            let cancelable_stretch1 = ::cancelable::__private::Stretch::new(); let
            cancelable_place =
            ::cancelable::__private::pin!(::cancelable::__private::Option::Some(async {
            #[allow(unreachable_code, clippy::diverging_sub_expression,
            clippy::let_unit_value)] if let
            ::cancelable::__private::Option::Some(cancelable_dead) =
            ::cancelable::__private::Option::None:: < u32 > { return cancelable_dead; }
            let cancelable_value = (cancelable_stretch1.guard(close(), _cancelable_here))
            . await; #[allow(unreachable_code)] return cancelable_stretch1
            .end(cancelable_value). await; })); let cancelable_ended = cancelable_gave_up
            .or_give_up(::cancelable::__private::Site.shield(cancelable_stretch1
            .watch(::cancelable::__private::Lent::of(cancelable_place)))
            .timeout(cancelable_limit)). await; cancelable_ended } {
            ::cancelable::__private::ControlFlow::Continue(cancelable_value) =>
            cancelable_value,
            ::cancelable::__private::ControlFlow::Break(cancelable_left) => return
            cancelable_left, }; 1 } } })
        );
        ::cancelable::__private::Site
            .run(
                cancelable_scope,
                cancelable_gave_up
                    .watch(::cancelable::__private::Lent::of(cancelable_place)),
            )
            .await
    } {
        ::cancelable::__private::Result::Ok(
            ::cancelable::__private::Result::Ok(cancelable_value),
        ) => return cancelable_value,
        ::cancelable::__private::Result::Ok(::cancelable::__private::Result::Err(_))
        | ::cancelable::__private::Result::Err(_) => {}
    }
    0
}
