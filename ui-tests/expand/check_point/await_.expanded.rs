async fn await_() -> Result<u32, Error> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    let page = match ::cancelable::__private::Site
        .guard(fetch(&url()), _cancelable_here)
        .await
    {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
    }?;
    match ::cancelable::__private::Site.guard(other(page), _cancelable_here).await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
    }
        .send();
    #[allow(clippy::unnecessary_semicolon)]
    match ::cancelable::__private::Site.guard(settle(page), _cancelable_here).await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
    };
    Ok(
        match ::cancelable::__private::Site.guard(last(), _cancelable_here).await {
            ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
            ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                return ::cancelable::__private::from_cancelled::<
                    Result<u32, Error>,
                >(cancelable_cancelled);
            }
        },
    )
}
