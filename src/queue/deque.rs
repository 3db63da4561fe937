//! The work-stealing deque: crossbeam's, or a plain one where the model checker has to see it.

#[cfg(not(loom))]
mod imp {
    pub(crate) use crossbeam_deque::{Injector, Steal, Stealer, Worker};
}

#[cfg(loom)]
mod imp {
    //! The same interface over a locked queue, as far as the models need it. The lock stands for
    //! crossbeam's own synchronization: an element that is seen is seen whole. A peek
    //! (`is_empty`) takes no lock and orders nothing, as in crossbeam's deque.

    use std::collections::VecDeque;

    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Mutex};

    struct Inner<T> {
        items: Mutex<VecDeque<T>>,
        len: AtomicUsize,
    }

    impl<T> Inner<T> {
        fn change<R>(&self, change: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
            let mut items = self.items.lock().unwrap();
            let result = change(&mut items);
            self.len.store(items.len(), Ordering::Relaxed);
            result
        }
    }

    pub(crate) enum Steal<T> {
        Empty,
        Success(T),
        #[allow(dead_code)]
        Retry,
    }

    pub(crate) struct Worker<T>(Arc<Inner<T>>);
    pub(crate) struct Stealer<T>(Arc<Inner<T>>);

    impl<T> Worker<T> {
        pub(crate) fn new_lifo() -> Self {
            let items = Mutex::new(VecDeque::new());
            Worker(Arc::new(Inner { items, len: AtomicUsize::new(0) }))
        }

        pub(crate) fn new_fifo() -> Self {
            Self::new_lifo()
        }

        pub(crate) fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.clone())
        }

        pub(crate) fn push(&self, item: T) {
            self.0.change(|items| items.push_back(item));
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.change(VecDeque::pop_back)
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len.load(Ordering::Relaxed)
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }

    impl<T> Stealer<T> {
        pub(crate) fn steal(&self) -> Steal<T> {
            match self.0.change(VecDeque::pop_front) {
                Some(item) => Steal::Success(item),
                None => Steal::Empty,
            }
        }

        pub(crate) fn steal_batch_and_pop(&self, _into: &Worker<T>) -> Steal<T> {
            self.steal()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.len.load(Ordering::Relaxed) == 0
        }
    }

    pub(crate) struct Injector<T>(Inner<T>);

    impl<T> Injector<T> {
        pub(crate) fn new() -> Self {
            let items = Mutex::new(VecDeque::new());
            Injector(Inner { items, len: AtomicUsize::new(0) })
        }

        pub(crate) fn push(&self, item: T) {
            self.0.change(|items| items.push_back(item));
        }

        pub(crate) fn steal(&self) -> Steal<T> {
            match self.0.change(VecDeque::pop_front) {
                Some(item) => Steal::Success(item),
                None => Steal::Empty,
            }
        }

        pub(crate) fn steal_batch_and_pop(&self, _into: &Worker<T>) -> Steal<T> {
            self.steal()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len.load(Ordering::Relaxed)
        }
    }
}

pub(crate) use imp::*;

/// Steals again as long as the queue cannot say.
pub(crate) fn until_sure<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(stolen) => return Some(stolen),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
