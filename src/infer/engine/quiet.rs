//! Panics of the libraries below, caught and kept off the terminal.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `work`; a panic inside becomes an `Err` with the panic's message and place, and nothing is printed.
///
/// The state `work` touched must be thrown away after an `Err`: it may be half changed.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install();
    let before = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    outcome.map_err(|_| LAST.take())
}

/// Puts a hook in front of the present one, once, that writes nothing for threads inside [`catch`].
fn install() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let present = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                let message = info.payload_as_str().unwrap_or("no message");
                // Without the folders of the machine that built the program.
                let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
                let place =
                    info.location().map(|at| format!(" at {}:{}", file(at.file()), at.line())).unwrap_or_default();
                LAST.set(format!("{message}{place}"));
            } else {
                present(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_becomes_its_message_and_later_panics_are_heard_again() {
        let message = catch(|| -> u8 { panic!("shape {}", 7) }).unwrap_err();
        assert!(message.starts_with("shape 7 at "), "{message}");
        assert!(!QUIET.get());
        assert_eq!(catch(|| 3), Ok(3));
    }

    #[test]
    fn inner_catch_leaves_the_outer_one_quiet() {
        let outer = catch(|| {
            let inner = catch(|| panic!("inner"));
            assert!(inner.is_err());
            QUIET.get()
        });
        assert_eq!(outer, Ok(true));
    }
}
