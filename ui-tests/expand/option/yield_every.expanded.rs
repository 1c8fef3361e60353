async fn yield_every(jobs: &mut Jobs) -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    {
        match ::cancelable::__private::IntoIterator::into_iter(0..9) {
            cancelable_items => {
                match ::cancelable::__private::Probe::of(&cancelable_items)
                    .kind()
                    .pieces(cancelable_items, 1)
                {
                    mut cancelable_pieces => {
                        while cancelable_pieces.go_on() {
                            if cancelable_pieces.is_check_due() {
                                if let ::cancelable::__private::Result::Err(
                                    cancelable_cancelled,
                                ) = ::cancelable::__private::Site.checkpoint(64).await
                                {
                                    return ::cancelable::__private::from_cancelled::<
                                        Option<u32>,
                                    >(
                                        ::cancelable::__private::Site
                                            .in_loop(cancelable_cancelled, _cancelable_here),
                                    );
                                }
                            }
                            for n in ::cancelable::__private::IntoIterator::into_iter(
                                cancelable_pieces.next_piece(),
                            ) {
                                work(n);
                            }
                        }
                    }
                }
            }
        };
    }
    while let Some(job) = match ::cancelable::__private::Site
        .guard(
            ::cancelable::__private::Site.give_way_first(64, jobs.next()),
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
    } {
        job.run();
    }
    None
}
async fn yield_every_and_every(step: usize, numbers: &[u32]) -> Option<u32> {
    fn _cancelable_here() {}
    let cancelable_every: usize = step;
    let cancelable_yield_every: usize = step * 100;
    {
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        {
            match ::cancelable::__private::IntoIterator::into_iter(numbers) {
                cancelable_items => {
                    match ::cancelable::__private::Probe::of(&cancelable_items)
                        .kind()
                        .pieces(cancelable_items, cancelable_every)
                    {
                        mut cancelable_pieces => {
                            while cancelable_pieces.go_on() {
                                if cancelable_pieces.is_check_due() {
                                    if let ::cancelable::__private::Result::Err(
                                        cancelable_cancelled,
                                    ) = ::cancelable::__private::Site
                                        .checkpoint(
                                            ::cancelable::__private::Turns::rounds(
                                                cancelable_yield_every,
                                                cancelable_every,
                                            ),
                                        )
                                        .await
                                    {
                                        return ::cancelable::__private::from_cancelled::<
                                            Option<u32>,
                                        >(
                                            ::cancelable::__private::Site
                                                .in_loop(cancelable_cancelled, _cancelable_here),
                                        );
                                    }
                                }
                                for n in ::cancelable::__private::IntoIterator::into_iter(
                                    cancelable_pieces.next_piece(),
                                ) {
                                    work(n);
                                }
                            }
                        }
                    }
                }
            };
        }
        {
            let mut cancelable_turns = ::cancelable::__private::Turns::new(
                cancelable_every,
            );
            loop {
                if cancelable_turns.begin() {
                    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
                        .checkpoint(
                            ::cancelable::__private::Turns::rounds(
                                cancelable_yield_every,
                                cancelable_every,
                            ),
                        )
                        .await
                    {
                        return ::cancelable::__private::from_cancelled::<
                            Option<u32>,
                        >(
                            ::cancelable::__private::Site
                                .in_loop(cancelable_cancelled, _cancelable_here),
                        );
                    }
                }
                if more() {} else {
                    break;
                }
            }
        }
        None
    }
}
