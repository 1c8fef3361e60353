//! The span of a scope, with the feature `tracing`.

#[cfg(feature = "tracing")]
pub(crate) use traced::{Entered, Span, SpanId};
#[cfg(not(feature = "tracing"))]
pub(crate) use untraced::{Entered, Span, SpanId};

#[cfg(feature = "tracing")]
mod traced {
    use std::panic::Location;

    use crate::shown::Shown;

    /// On a scope, or on one that code was taken along from; or none. It is closed when all of these are gone.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Span(
        /// In a box, for most are none.
        Option<Box<tracing::Span>>,
    );

    pub(crate) type Entered<'a> = Option<tracing::span::Entered<'a>>;

    /// Of a span that is not closed for as long as its scope runs.
    pub(crate) type SpanId = Option<tracing::Id>;

    impl Span {
        pub(crate) const NONE: Self = Self(None);

        /// Below the current one. `otel.name` is what `tracing-opentelemetry` calls a span by.
        pub(crate) fn begin(name: &str, location: &'static Location<'static>) -> Self {
            Self(Some(Box::new(tracing::info_span!(
                target: "cancelable",
                "scope",
                otel.name = %Shown(name),
                cancel.scope = %Shown(name),
                code.file.path = location.file(),
                code.line.number = location.line(),
                code.column.number = location.column(),
            ))))
        }

        #[inline]
        pub(crate) fn enter(&self) -> Entered<'_> {
            self.0.as_deref().map(tracing::Span::enter)
        }

        pub(crate) fn id(&self) -> SpanId {
            self.0.as_ref()?.id()
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod untraced {
    use std::marker::PhantomData;
    use std::panic::Location;

    /// None.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Span;

    pub(crate) struct Entered<'a>(PhantomData<&'a ()>);

    /// Of none.
    #[derive(Clone)]
    pub(crate) struct SpanId;

    impl Span {
        pub(crate) const NONE: Self = Self;

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
