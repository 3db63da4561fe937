use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;

use super::{Seen, Worker};
use crate::latch::Wait;
use crate::{JoinHandle, ThreadPoolBuilder};

/// A wait for another pool. While a worker looks for jobs for it, the task is cancelled.
struct CancelsMeanwhile(Mutex<JoinHandle<()>>, AtomicU32);

impl Wait for CancelsMeanwhile {
    fn done(&self) -> bool {
        false
    }

    fn register_waker(&self) -> bool {
        true
    }

    fn other_pool(&self) -> Option<usize> {
        Some(1)
    }

    fn tag(&self) -> Option<usize> {
        // The worker looks at the second job.
        if self.1.fetch_add(1, Ordering::Relaxed) == 1 {
            assert!(self.0.lock().unwrap().cancel());
        }
        None
    }
}

#[test]
fn a_first_job_that_becomes_empty_does_not_hide_the_next_from_a_worker_that_sleeps() {
    let pool = |_| ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let [ours, theirs] = [0, 1].map(pool);
    let (sender, receiver) = channel();
    let (begins, begun) = channel();
    let sees_nothing = ours.spawn(move || {
        begins.send(()).unwrap();
        let wait = CancelsMeanwhile(receiver.recv().unwrap(), AtomicU32::new(0));
        let seen = Worker::current().unwrap().look_restricted(&wait, false);
        matches!(seen, Seen::Nothing)
    });
    begun.recv().unwrap();
    let last = theirs.install(|| {
        let first = ours.spawn(|| unreachable!("it is cancelled"));
        let last = ours.spawn(|| 7);
        sender.send(Mutex::new(first)).unwrap();
        last
    });
    assert!(!sees_nothing.join().unwrap());
    assert_eq!(last.join().unwrap(), 7);
}
