//! The work-stealing deque and the injector: crossbeam's, or plain ones that loom can see.

#[cfg(not(loom))]
mod imp {
    pub(crate) use crossbeam_deque::{Injector, Steal, Stealer, Worker};

    /// Initializes the state that all deques of the process share, before the first pool is built.
    /// A child that was forked during this initialization could never steal.
    pub(crate) fn prepare() {
        let _ = Worker::<()>::new_lifo().stealer().steal();
    }
}

#[cfg(loom)]
mod imp {
    //! The part of the interface that the models need, over a locked queue. The lock stands for
    //! crossbeam's own synchronization. `is_empty` and `len` take no lock and order nothing.
    //! (crossbeam's order more.) `pop` takes the newest item, even of a FIFO queue.

    use std::collections::VecDeque;

    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Mutex};

    pub(crate) enum Steal<T> {
        Empty,
        Success(T),
        #[allow(dead_code)]
        Retry,
    }

    /// A queue, by any of its ends.
    pub(crate) struct Queue<T>(Arc<Inner<T>>);

    pub(crate) use Queue as Worker;
    pub(crate) use Queue as Stealer;
    pub(crate) use Queue as Injector;

    struct Inner<T> {
        items: Mutex<VecDeque<T>>,
        len: AtomicUsize,
    }

    impl<T> Default for Queue<T> {
        fn default() -> Self {
            let (items, len) = (Mutex::new(VecDeque::new()), AtomicUsize::new(0));
            Queue(Arc::new(Inner { items, len }))
        }
    }

    impl<T> Queue<T> {
        pub(crate) fn new_lifo() -> Self {
            Self::default()
        }

        pub(crate) fn new_fifo() -> Self {
            Self::default()
        }

        pub(crate) fn stealer(&self) -> Stealer<T> {
            Queue(self.0.clone())
        }

        fn change<R>(&self, change: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
            let mut items = self.0.items.lock().unwrap();
            let result = change(&mut items);
            self.0.len.store(items.len(), Ordering::Relaxed);
            result
        }

        pub(crate) fn push(&self, item: T) {
            self.change(|items| items.push_back(item));
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.change(VecDeque::pop_back)
        }

        pub(crate) fn steal(&self) -> Steal<T> {
            self.change(VecDeque::pop_front).map_or(Steal::Empty, Steal::Success)
        }

        /// As in crossbeam's deque, the batch is in neither queue for a moment.
        pub(crate) fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
            let mut batch = self.change(|items| {
                let half = items.len().div_ceil(2);
                items.drain(..half).collect::<VecDeque<_>>()
            });
            let Some(first) = batch.pop_front() else { return Steal::Empty };
            batch.into_iter().for_each(|item| into.push(item));
            Steal::Success(first)
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len.load(Ordering::Relaxed)
        }
    }

    pub(crate) fn prepare() {}
}

pub(crate) use imp::*;

pub(crate) fn until_sure<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(stolen) => return Some(stolen),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
