async fn await_() -> Result<u32, Error> {
    if ::cancelable::__private::Site.is_cancelled() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(::cancelable::__private::Site.cancelled());
    }
    let page = match ::cancelable::__private::Site.guard(fetch(&url())).await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
    }?;
    match ::cancelable::__private::Site.guard(other(page)).await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
    }
        .send();
    #[allow(clippy::unnecessary_semicolon)]
    match ::cancelable::__private::Site.guard(settle(page)).await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
    };
    Ok(
        match ::cancelable::__private::Site.guard(last()).await {
            ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
            ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                return ::cancelable::__private::from_cancelled::<
                    Result<u32, Error>,
                >(cancelable_cancelled);
            }
        },
    )
}
