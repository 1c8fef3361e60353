fn every_expression(step: usize) -> Option<u32> {
    fn _cancelable_here() {}
    let cancelable_every: usize = step * 2;
    {
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        {
            let mut cancelable_turns = ::cancelable::__private::Turns::new(
                cancelable_every,
            );
            loop {
                if cancelable_turns.begin() {
                    if ::cancelable::__private::Site.is_cancelled() {
                        return ::cancelable::__private::from_cancelled::<
                            Option<u32>,
                        >(::cancelable::__private::Site.cancelled(_cancelable_here));
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
