//! How much memory the process has.

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::fs;
use std::io;
use std::time::Duration;

use super::condition::{Condition, condition};

/// How often the system is asked.
const EVERY: Duration = Duration::from_millis(50);

/// Cancels a scope when this process has more than so many bytes of memory in use: a [`Source`](crate::Source) for work that had better
/// give up than be killed.
///
/// It is the resident set that is looked at, of the whole process and not of the scope alone, every 50 milliseconds, on a thread of the
/// library. What is allocated faster than that is not stopped; a limit of the system (a cgroup) stays the last resort. The reason is of
/// kind [`Condition`](crate::ReasonKind::Condition), and names the limit.
///
/// # Errors
///
/// [`io::Error`]: of kind `Unsupported` elsewhere than on Linux and Android; or if the system does not say.
///
/// ```
/// use cancelable::{Cancelled, cancel_scope, check, memory_above};
///
/// # #[cfg(target_os = "linux")] {
/// let outcome: Result<(), Cancelled> = cancel_scope!(until = memory_above(1 << 20)?, {
///     loop {
///         check()?;
///     }
/// });
/// assert_eq!(outcome.unwrap_err().reason().to_string(), "condition \"memory above 1 MiB\" came true");
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn memory_above(bytes: u64) -> io::Result<Condition<impl FnMut() -> bool + Send + use<>>> {
    let above = condition(EVERY, move || resident().is_ok_and(|resident| resident > bytes));
    resident()?;
    Ok(above.named(format!("memory above {}", Bytes(bytes))))
}

/// What of this process is in memory, in bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let kibibytes = kibibytes.ok_or_else(|| io::Error::other("/proc/self/status does not tell of memory"))?;
    Ok(kibibytes * 1024)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn resident() -> io::Result<u64> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "how much memory is in use is looked up on Linux only",
    ))
}

/// In the largest unit that needs no fraction.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0 % (1 << shift) == 0 {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}
