async fn join() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    let (a, b) = {
        let (cancelable_future0, cancelable_future1) = (first(), second(get()?));
        match ::cancelable::__private::Site
            .guard(
                async { tokio::join!(cancelable_future0, cancelable_future1) },
                _cancelable_here,
            )
            .await
        {
            ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
            ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                return ::cancelable::__private::from_cancelled::<
                    Option<u32>,
                >(cancelable_cancelled);
            }
        }
    };
    let f = {
        match ::cancelable::__private::Site
            .guard(async { try_join!(biased; a, b) }, _cancelable_here)
            .await
        {
            ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
            ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                return ::cancelable::__private::from_cancelled::<
                    Option<u32>,
                >(cancelable_cancelled);
            }
        }
    }
        .ok()?;
    Some(f)
}
