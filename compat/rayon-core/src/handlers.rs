//! The closures that a builder holds.

use std::any::Any;
use std::fmt;

pub(crate) type NameOf = Box<dyn FnMut(usize) -> String>;
pub(crate) type PanicHandler = Box<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;
pub(crate) type IndexHandler = Box<dyn Fn(usize) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) name_of: Option<NameOf>,
    pub(crate) panic: Option<PanicHandler>,
    pub(crate) start: Option<IndexHandler>,
    pub(crate) exit: Option<IndexHandler>,
}

impl Handlers {
    /// Sets these handlers on filch's `builder`.
    pub(crate) fn set(self, mut builder: filch::ThreadPoolBuilder) -> filch::ThreadPoolBuilder {
        if let Some(name_of) = self.name_of {
            builder = builder.thread_name(name_of);
        }
        if let Some(handler) = self.panic {
            builder = builder.panic_handler(handler);
        }
        if let Some(handler) = self.start {
            builder = builder.start_handler(handler);
        }
        if let Some(handler) = self.exit {
            builder = builder.exit_handler(handler);
        }
        builder
    }
}

/// A placeholder for a closure in `Debug` output.
struct Closure;

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<closure>")
    }
}

/// Shows in `Debug` output whether a closure is set.
pub(crate) fn shown<T>(closure: &Option<T>) -> impl fmt::Debug + use<T> {
    closure.as_ref().map(|_| Closure)
}
