async fn select() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    let value = {
        let (cancelable_condition0,) = (open,);
        let (cancelable_future0, cancelable_future2) = (rx.recv(), &mut sleep);
        match ::cancelable::__private::Site
            .guard(
                async {
                    #[allow(unused_mut)]
                    let (mut cancelable_future0, mut cancelable_future2) = (
                        cancelable_future0,
                        cancelable_future2,
                    );
                    tokio::select! {
                        biased; cancelable_value @ Some(_) = cancelable_future0, if
                        cancelable_condition0 =>
                        ::cancelable::__private::Either::Left(cancelable_value),
                        cancelable_value @ (Message { id : _, body : Some(_) } | Message
                        { id : _, .. }) = other =>
                        ::cancelable::__private::Either::Right(::cancelable::__private::Either::Left(cancelable_value)),
                        cancelable_value = cancelable_future2 =>
                        ::cancelable::__private::Either::Right(::cancelable::__private::Either::Right(::cancelable::__private::Either::Left(cancelable_value))),
                        else =>
                        ::cancelable::__private::Either::Right(::cancelable::__private::Either::Right(::cancelable::__private::Either::Right(()))),
                    }
                },
                _cancelable_here,
            )
            .await
        {
            ::cancelable::__private::Result::Ok(
                ::cancelable::__private::Either::Left(Some(n)),
            ) => {
                match ::cancelable::__private::Site
                    .guard(handle(n), _cancelable_here)
                    .await
                {
                    ::cancelable::__private::Result::Ok(cancelable_value) => {
                        cancelable_value
                    }
                    ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                        return ::cancelable::__private::from_cancelled::<
                            Option<u32>,
                        >(cancelable_cancelled);
                    }
                }
            }
            ::cancelable::__private::Result::Ok(
                ::cancelable::__private::Either::Right(
                    ::cancelable::__private::Either::Left(
                        (Message { id, body: Some(ref text) } | Message { id, .. }),
                    ),
                ),
            ) => return None,
            ::cancelable::__private::Result::Ok(
                ::cancelable::__private::Either::Right(
                    ::cancelable::__private::Either::Right(
                        ::cancelable::__private::Either::Left(_),
                    ),
                ),
            ) => break,
            ::cancelable::__private::Result::Ok(
                ::cancelable::__private::Either::Right(
                    ::cancelable::__private::Either::Right(
                        ::cancelable::__private::Either::Right(()),
                    ),
                ),
            ) => 3,
            #[allow(unreachable_patterns)]
            ::cancelable::__private::Result::Ok(_) => ::core::unreachable!(),
            ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                return ::cancelable::__private::from_cancelled::<
                    Option<u32>,
                >(cancelable_cancelled);
            }
        }
    };
    Some(value)
}
