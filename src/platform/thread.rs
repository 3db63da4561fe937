//! The runtime's own threads: std's, but for those in the child of a `fork()`.
//!
//! std notes the stack of each of its threads as it starts and ends, under a lock (for its message
//! of a stack overflow). Another thread of the parent may have been at that: then the lock is lost
//! in the child, and no thread of std's ever comes to run there. So a child's are the system's own:
//! std does not know their names, and their stack overflows end the process without std's message.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

/// A thread; dropped, it goes on by itself.
pub(crate) struct Thread(Kind);

enum Kind {
    Std(thread::JoinHandle<()>),
    #[cfg(unix)]
    Plain(plain::Handle),
}

impl Thread {
    /// Starts a thread that calls `body`, which must not unwind. The name has no NUL.
    pub(crate) fn start(
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        #[cfg(unix)]
        if super::fork::count() > 0 {
            let size = stack_size.unwrap_or_else(default_stack_size);
            return plain::start(name, size, Box::new(body))
                .map(|handle| Thread(Kind::Plain(handle)));
        }
        let builder = thread::Builder::new().name(name);
        let builder = match stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        };
        builder.spawn(body).map(|handle| Thread(Kind::Std(handle)))
    }

    /// Waits for the end of the thread, destructors of its thread-locals included.
    pub(crate) fn join(self) {
        match self.0 {
            // It does not unwind.
            Kind::Std(handle) => drop(handle.join()),
            #[cfg(unix)]
            Kind::Plain(handle) => handle.join(),
        }
    }
}

/// The size of std's stacks, by default and by its documentation; see `note_stack_size`.
static STACK_SIZE: AtomicUsize = AtomicUsize::new(2 << 20);

/// How large a thread's stack is where no size is asked for.
pub(crate) fn default_stack_size() -> usize {
    STACK_SIZE.load(Ordering::Relaxed)
}

/// Has threads of children that will be forked get stacks of the size that std's threads have.
/// Called in the parent, since a child cannot ask for it: the lock of the environment may be lost.
#[cfg(unix)]
pub(super) fn note_stack_size() {
    let asked = std::env::var_os("RUST_MIN_STACK");
    if let Some(size) = asked.and_then(|asked| asked.to_str()?.parse().ok()) {
        STACK_SIZE.store(size, Ordering::Relaxed);
    }
}

#[cfg(unix)]
mod plain {
    use std::ffi::{c_int, c_void};
    use std::mem::{ManuallyDrop, MaybeUninit};
    use std::{io, ptr};

    /// A thread of the system's; detached when this is dropped.
    pub(super) struct Handle(libc::pthread_t);

    // SAFETY: any thread of the process may join or detach.
    unsafe impl Send for Handle {}
    // SAFETY: a shared handle is good for nothing.
    unsafe impl Sync for Handle {}

    /// What a thread is given.
    struct Start {
        name: String,
        body: Box<dyn FnOnce() + Send>,
    }

    pub(super) fn start(
        name: String,
        stack_size: usize,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<Handle> {
        let attributes = Attributes::new(stack_size)?;
        let start = Box::into_raw(Box::new(Start { name, body }));
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the attributes are initialized; `run` takes what it is given here.
        let code =
            unsafe { libc::pthread_create(thread.as_mut_ptr(), &attributes.0, run, start.cast()) };
        if code != 0 {
            // SAFETY: there is no thread that could have taken it.
            drop(unsafe { Box::from_raw(start) });
        }
        check(code)?;
        // SAFETY: set where there is no error.
        Ok(Handle(unsafe { thread.assume_init() }))
    }

    extern "C" fn run(start: *mut c_void) -> *mut c_void {
        // SAFETY: made by `start` for this call.
        let start = unsafe { Box::from_raw(start.cast::<Start>()) };
        set_name(&start.name);
        (start.body)();
        ptr::null_mut()
    }

    /// Names the calling thread, where the system can; it cuts what is too long.
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
    fn set_name(name: &str) {
        #[cfg(target_os = "linux")]
        if let Ok(name) = std::ffi::CString::new(name) {
            // SAFETY: a text that ends with a NUL, and is only read.
            unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        }
    }

    struct Attributes(libc::pthread_attr_t);

    impl Attributes {
        fn new(stack_size: usize) -> io::Result<Self> {
            let mut attributes = MaybeUninit::uninit();
            // SAFETY: the place is for them.
            check(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
            // SAFETY: just initialized.
            let mut attributes = Attributes(unsafe { attributes.assume_init() });
            let size = stack_size.max(least_stack());
            // Whole pages, which some systems ask for.
            let size = size.checked_next_multiple_of(system(libc::_SC_PAGESIZE).max(1));
            let size = size.ok_or(io::ErrorKind::InvalidInput)?;
            // SAFETY: initialized above.
            check(unsafe { libc::pthread_attr_setstacksize(&mut attributes.0, size) })?;
            Ok(attributes)
        }
    }

    impl Drop for Attributes {
        fn drop(&mut self) {
            // SAFETY: initialized, and not used after this.
            unsafe { libc::pthread_attr_destroy(&mut self.0) };
        }
    }

    /// Where it can be asked for, the size that a stack must have.
    fn least_stack() -> usize {
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        return system(libc::_SC_THREAD_STACK_MIN);
        #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
        0
    }

    /// A number that the system tells, else 0.
    fn system(name: c_int) -> usize {
        // SAFETY: takes a number.
        usize::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0)
    }

    fn check(code: c_int) -> io::Result<()> {
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
    }

    impl Handle {
        pub(super) fn join(self) {
            let thread = ManuallyDrop::new(self);
            // SAFETY: neither joined nor detached yet, as the handle was there.
            unsafe { libc::pthread_join(thread.0, ptr::null_mut()) };
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            // SAFETY: as in `join`.
            unsafe { libc::pthread_detach(self.0) };
        }
    }
}
