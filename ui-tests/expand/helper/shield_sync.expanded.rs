fn shield_sync() -> u32 {
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
            match {
                let cancelable_stretch1 = ::cancelable::__private::Stretch::new();
                let cancelable_ended = ::cancelable::__private::Site
                    .shield_sync(|| {
                        cancelable_stretch1
                            .run(async {
                                #[allow(
                                    unreachable_code,
                                    clippy::diverging_sub_expression,
                                    clippy::let_unit_value
                                )]
                                if let ::cancelable::__private::Option::Some(
                                    cancelable_dead,
                                ) = ::cancelable::__private::Option::None::<u32> {
                                    return cancelable_dead;
                                }
                                let cancelable_value = {
                                    close();
                                    return 1;
                                };
                                #[allow(unreachable_code)]
                                return cancelable_stretch1.end(cancelable_value).await;
                            })
                    });
                cancelable_ended
            } {
                ::cancelable::__private::Result::Ok(
                    ::cancelable::__private::ControlFlow::Continue(cancelable_value),
                ) => cancelable_value,
                ::cancelable::__private::Result::Ok(
                    ::cancelable::__private::ControlFlow::Break(cancelable_left),
                ) => return cancelable_left,
                ::cancelable::__private::Result::Err(_) => break 'cancelled,
            }
            match {
                let cancelable_limit = ::cancelable::__private::Site.duration(limit);
                let cancelable_stretch2 = ::cancelable::__private::Stretch::new();
                let cancelable_ended = ::cancelable::__private::Site
                    .shield_sync_timeout(
                        cancelable_limit,
                        || {
                            cancelable_stretch2
                                .run(async {
                                    #[allow(
                                        unreachable_code,
                                        clippy::diverging_sub_expression,
                                        clippy::let_unit_value
                                    )]
                                    if let ::cancelable::__private::Option::Some(
                                        cancelable_dead,
                                    ) = ::cancelable::__private::Option::None::<u32> {
                                        return cancelable_dead;
                                    }
                                    let cancelable_value = {
                                        let mut cancelable_asking = ::cancelable::__private::Site
                                            .asking();
                                        for n in ::cancelable::__private::IntoIterator::into_iter(
                                            cancelable_asking
                                                .before_each(
                                                    ::cancelable::__private::IntoIterator::into_iter(numbers),
                                                )
                                                .items(),
                                        ) {
                                            work(n);
                                        }
                                        if cancelable_asking.ended_it() {
                                            return cancelable_stretch2
                                                .give_up(
                                                    ::cancelable::__private::Site.cancelled(_cancelable_here),
                                                )
                                                .await;
                                        }
                                    };
                                    #[allow(unreachable_code)]
                                    return cancelable_stretch2.end(cancelable_value).await;
                                })
                        },
                    );
                cancelable_ended
            } {
                ::cancelable::__private::Result::Ok(
                    ::cancelable::__private::ControlFlow::Continue(cancelable_value),
                ) => cancelable_value,
                ::cancelable::__private::Result::Ok(
                    ::cancelable::__private::ControlFlow::Break(cancelable_left),
                ) => return cancelable_left,
                ::cancelable::__private::Result::Err(_) => break 'cancelled,
            }
            2
        };
    }
    0
}
