async fn shield() -> Result<u32, Cancelled> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Cancelled>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    #[allow(clippy::unnecessary_semicolon)]
    match {
        let cancelable_stretch1 = ::cancelable::__private::Stretch::new();
        let cancelable_place = ::cancelable::__private::pin!(
            ::cancelable::__private::Option::Some(async { #[allow(unreachable_code,
            clippy::diverging_sub_expression, clippy::let_unit_value)] if let
            ::cancelable::__private::Option::Some(cancelable_dead) =
            ::cancelable::__private::Option::None:: < Result < u32, Cancelled > > {
            return cancelable_dead; } let cancelable_value = (cancelable_stretch1
            .guard(conn.close(), _cancelable_here)). await ?; #[allow(unreachable_code)]
            return cancelable_stretch1.end(cancelable_value). await; })
        );
        let cancelable_ended = ::cancelable::__private::Site
            .shield(
                cancelable_stretch1
                    .watch(::cancelable::__private::Lent::of(cancelable_place)),
            )
            .await;
        cancelable_ended
    } {
        ::cancelable::__private::Result::Ok(
            ::cancelable::__private::ControlFlow::Continue(cancelable_value),
        ) => cancelable_value,
        ::cancelable::__private::Result::Ok(
            ::cancelable::__private::ControlFlow::Break(cancelable_left),
        ) => return cancelable_left,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Cancelled>,
            >(cancelable_cancelled);
        }
    };
    #[allow(clippy::let_unit_value)]
    let report = match {
        let cancelable_limit = ::cancelable::__private::Option::Some(
            ::cancelable::__private::Duration::from_millis(2000u64),
        );
        let cancelable_stretch2 = ::cancelable::__private::Stretch::new();
        let cancelable_place = ::cancelable::__private::pin!(
            ::cancelable::__private::Option::Some(async { #[allow(unreachable_code,
            clippy::diverging_sub_expression, clippy::let_unit_value)] if let
            ::cancelable::__private::Option::Some(cancelable_dead) =
            ::cancelable::__private::Option::None:: < Result < u32, Cancelled > > {
            return cancelable_dead; } let cancelable_value = (cancelable_stretch2
            .guard(flush(& mut buffer), _cancelable_here)). await ?;
            #[allow(unreachable_code)] return cancelable_stretch2.end(cancelable_value).
            await; })
        );
        let cancelable_ended = ::cancelable::__private::Site
            .shield(
                cancelable_stretch2
                    .watch(::cancelable::__private::Lent::of(cancelable_place)),
            )
            .timeout(cancelable_limit)
            .await;
        cancelable_ended
    } {
        ::cancelable::__private::Result::Ok(
            ::cancelable::__private::ControlFlow::Continue(cancelable_value),
        ) => cancelable_value,
        ::cancelable::__private::Result::Ok(
            ::cancelable::__private::ControlFlow::Break(cancelable_left),
        ) => return cancelable_left,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Cancelled>,
            >(cancelable_cancelled);
        }
    };
    Ok(report)
}
