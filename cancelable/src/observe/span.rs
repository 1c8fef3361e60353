//! The span of a scope, with the feature `tracing`.

#[cfg(feature = "tracing")]
pub(crate) use traced::{Entered, Span, SpanId};
#[cfg(not(feature = "tracing"))]
pub(crate) use untraced::{Entered, Span, SpanId};

#[cfg(feature = "tracing")]
mod traced {
    use std::panic::Location;

    use crate::shown::Shown;

    /// On a scope, or on one that code was taken along from. It is closed when all of these are gone.
    #[derive(Clone, Debug)]
    pub(crate) struct Span(tracing::Span);

    pub(crate) type Entered<'a> = tracing::span::Entered<'a>;

    /// Of a span that is not closed for as long as its scope runs.
    pub(crate) type SpanId = Option<tracing::Id>;

    impl Span {
        /// Below the current one. `otel.name` is what `tracing-opentelemetry` calls a span by.
        pub(crate) fn begin(name: &str, location: &'static Location<'static>) -> Self {
            Self(tracing::info_span!(
                target: "cancelable",
                "scope",
                otel.name = %Shown(name),
                cancel.scope = %Shown(name),
                code.file.path = location.file(),
                code.line.number = location.line(),
                code.column.number = location.column(),
            ))
        }

        #[inline]
        pub(crate) fn enter(&self) -> Entered<'_> {
            self.0.enter()
        }

        pub(crate) fn id(&self) -> SpanId {
            self.0.id()
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod untraced {
    use std::marker::PhantomData;
    use std::panic::Location;

    /// None.
    #[derive(Clone, Debug)]
    pub(crate) struct Span;

    pub(crate) struct Entered<'a>(PhantomData<&'a ()>);

    /// Of none.
    #[derive(Clone)]
    pub(crate) struct SpanId;

    impl Span {
        pub(crate) fn begin(_: &str, _: &'static Location<'static>) -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn enter(&self) -> Entered<'_> {
            Entered(PhantomData)
        }

        pub(crate) fn id(&self) -> SpanId {
            SpanId
        }
    }
}
