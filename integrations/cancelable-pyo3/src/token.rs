//! `Token`: cancels from another thread of Python's.

use cancelable::{CancelReason, CancellationToken};
use pyo3::prelude::*;

/// A cancellation token as a class of Python's: `Token()`, `token.cancel(message = None)`, `token.is_cancelled`, `token.child()`.
///
/// A function takes it as `Option<&Token>`, and has its scope [below](Token::token) it. Any thread of Python's may cancel it, and so
/// may an asyncio task whose work runs in `asyncio.to_thread`. The reason says the line of Python that did. A module has to add the
/// class: `module.add_class::<Token>()`.
#[pyclass(frozen)]
#[derive(Debug, Default)]
pub struct Token(CancellationToken);

impl Token {
    /// The token: the [parent](cancelable::Scope::parent) of a scope.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.0
    }
}

#[pymethods]
impl Token {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Cancels all that runs below it. Once is enough: the first reason stays.
    #[pyo3(signature = (message = None))]
    fn cancel(&self, py: Python<'_>, message: Option<&str>) {
        let message = message.unwrap_or("cancelled from Python");
        let message = match line(py) {
            Ok(line) => format!("{message}, by {line}"),
            Err(_) => message.to_owned(),
        };
        self.0.cancel_with(CancelReason::manual().with_message(message));
    }

    /// Whether it, or what it is below, is cancelled.
    #[getter]
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// One that is cancelled with it, and can be cancelled alone.
    fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}

/// The line of Python that calls. Not every interpreter tells.
fn line(py: Python<'_>) -> PyResult<String> {
    let frame = py.import("sys")?.getattr("_getframe")?.call0()?;
    let file: String = frame.getattr("f_code")?.getattr("co_filename")?.extract()?;
    let line: u32 = frame.getattr("f_lineno")?.extract()?;
    Ok(format!("{file}:{line}"))
}
