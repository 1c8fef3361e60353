fn closure() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site
            .scope()
            .parent(&&token)
            .grace(::cancelable::__private::Duration::from_millis(1000u64));
        ::cancelable::__private::Site
            .enter_sync(
                cancelable_scope,
                || -> Option<u32> {
                    {
                        let stop: ::cancelable::__private::CancellationToken = ::cancelable::__private::token_parameter::<
                            ::cancelable::__private::CancellationToken,
                        >();
                        {
                            if ::cancelable::__private::Site.is_refused() {
                                return ::cancelable::__private::from_cancelled::<
                                    Option<u32>,
                                >(
                                    ::cancelable::__private::Site
                                        .refused_by_scope(_cancelable_here),
                                );
                            }
                            {
                                let mut cancelable_asking = ::cancelable::__private::Site
                                    .asking();
                                for n in ::cancelable::__private::IntoIterator::into_iter(
                                    cancelable_asking
                                        .before_each(
                                            ::cancelable::__private::IntoIterator::into_iter(0..3),
                                        )
                                        .items(),
                                ) {}
                                if cancelable_asking.ended_it() {
                                    return ::cancelable::__private::from_cancelled::<
                                        Option<u32>,
                                    >(
                                        ::cancelable::__private::Site.cancelled(_cancelable_here),
                                    );
                                }
                            }
                            None
                        }
                    }
                },
            )
    };
}
