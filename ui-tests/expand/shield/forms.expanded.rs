async fn forms() {
    ::cancelable::__private::shield(async move { cleanup().await }).await;
    {
        fn _cancelable_here() {}
        let cancelable_limit = ::cancelable::__private::Duration::from_millis(5000u64);
        ::cancelable::__private::shield(async {
                match ::cancelable::__private::Site
                    .guard(cleanup(), _cancelable_here)
                    .await
                {
                    ::cancelable::__private::Result::Ok(cancelable_value) => {
                        cancelable_value
                    }
                    ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                        return ::cancelable::__private::from_cancelled::<
                            _,
                        >(cancelable_cancelled);
                    }
                }
            })
            .timeout(cancelable_limit)
    }
        .await;
    ::cancelable::__private::shield_sync(|| { flush() });
    {
        fn _cancelable_here() {}
        let cancelable_limit = ::cancelable::__private::Duration::from_millis(5000u64);
        ::cancelable::__private::Site
            .shield_sync_timeout(
                cancelable_limit,
                || -> Result<(), Error> {
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
                                Result<(), Error>,
                            >(::cancelable::__private::Site.cancelled(_cancelable_here));
                        }
                    }
                    Ok(())
                },
            )
    };
}
