/**

**Cancelable.** Check points: entry, 2 loops.*/
fn break_() -> Option<u32> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(cancelable_cancelled);
    }
    let mut best = 0;
    'marked1: for n in 0..3 {
        if let ::cancelable::__private::Result::Err(_) = ::cancelable::__private::Site
            .check()
        {
            break 'marked1;
        }
        while more() {
            if let ::cancelable::__private::Result::Err(_) = ::cancelable::__private::Site
                .check()
            {
                break 'marked1;
            }
        }
        best = n;
    }
    Some(best)
}
