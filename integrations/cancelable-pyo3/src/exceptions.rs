//! The exceptions: classes, and what a cancel says in them.

use cancelable::Cancelled;
use pyo3::exceptions::{PyException, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::call::Asked;

/// The classes of this extension module.
struct Classes {
    cancelled: Py<PyType>,
    timed_out: Py<PyType>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

impl Classes {
    fn new(py: Python<'_>, module: &str) -> PyResult<Self> {
        let class = |name: &str, doc: &str, bases: Bound<'_, PyTuple>| {
            let dict = PyDict::new(py);
            dict.set_item("__module__", module)?;
            dict.set_item("__doc__", doc)?;
            let class = py.get_type::<PyType>().call1((name, bases, dict))?;
            Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind())
        };
        let bases = (py.get_type::<PyException>(),).into_pyobject(py)?;
        let cancelled = class("Cancelled", "It was cancelled.", bases)?;
        let bases = (&cancelled, py.get_type::<PyTimeoutError>()).into_pyobject(py)?;
        let timed_out = class("TimedOut", "A timeout or a deadline has ended it.", bases)?;
        Ok(Self { cancelled, timed_out })
    }

    /// Those that were added to a module; or, where none were, nobody's.
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        CLASSES.get_or_try_init(py, || Self::new(py, "cancelable"))
    }
}

/// Adds the exceptions that [`run`](crate::run) raises to a module: `Cancelled`, an `Exception`, and `TimedOut`, a `Cancelled` and a
/// `TimeoutError`.
///
/// Their text is one line, and has both lines of the source. What it is made of are attributes, of the exception that a signal's
/// handler has raised as well:
///
/// | attribute | what |
/// |---|---|
/// | `kind` | `"Timeout"`, `"Manual"`, `"Error"` (a signal), … as [`ReasonKind`](cancelable::ReasonKind) |
/// | `requested_at`, `noticed_at` | the lines that asked for the cancel, and that noticed: `"src/lib.rs:12:9"` |
/// | `scope`, `scope_path` | whose cancel it was, or `None`; the names round the check point, a list |
/// | `function` | the annotated function of the check point, or `None` |
/// | `latency` | seconds from asked to noticed |
/// | `report` | several lines for a terminal or a log |
///
/// ```no_run
/// use pyo3::prelude::*;
///
/// #[pymodule]
/// fn search(module: &Bound<'_, PyModule>) -> PyResult<()> {
///     cancelable_pyo3::add_exceptions(module)
/// }
/// ```
///
/// # Errors
///
/// Those of Python's while classes are made and added.
pub fn add_exceptions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let name = module.name()?;
    let Classes { cancelled, timed_out } = CLASSES.get_or_try_init(py, || Classes::new(py, &name.to_string()))?;
    module.add("Cancelled", cancelled)?;
    module.add("TimedOut", timed_out)
}

/// What is raised.
pub(crate) fn of(py: Python<'_>, cancelled: &Cancelled) -> PyResult<PyErr> {
    let asked = cancelled.reason().source().and_then(|source| source.downcast_ref());
    let error = if let Some(Asked::Raised(error)) = asked {
        let error = error.clone_ref(py);
        // Python has notes from 3.11 on.
        if let Some(add_note) = error.value(py).getattr_opt("add_note")? {
            add_note.call1((cancelled.to_string(),))?;
        }
        error
    } else {
        let classes = Classes::get(py)?;
        let class = if cancelled.is_timeout() {
            &classes.timed_out
        } else {
            &classes.cancelled
        };
        PyErr::from_type(class.bind(py).clone(), cancelled.to_string())
    };
    tell(error.value(py), cancelled)?;
    Ok(error)
}

fn tell(exception: &Bound<'_, PyAny>, cancelled: &Cancelled) -> PyResult<()> {
    let path: Vec<&str> = cancelled.scope_path().into_iter().collect();
    exception.setattr("kind", format!("{:?}", cancelled.kind()))?;
    exception.setattr("requested_at", cancelled.reason().location().to_string())?;
    exception.setattr("noticed_at", cancelled.observed_at().to_string())?;
    exception.setattr("scope", cancelled.scope_name())?;
    exception.setattr("scope_path", path)?;
    exception.setattr("function", cancelled.function())?;
    exception.setattr("latency", cancelled.latency().as_secs_f64())?;
    exception.setattr("report", cancelled.report().to_string())
}
