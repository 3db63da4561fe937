//! Items that are made in parallel and consumed one by one, in order: `for_each_ordered` and
//! `try_for_each_ordered`.
//!
//! # Tickets
//! A worker takes a *ticket* for the next few items, makes these, and puts the results into the
//! *window*. When the results that are due next come in, their worker calls the consumer with them,
//! and with those behind them that are ready. So the consumer runs on one worker at a time, and
//! tickets are consumed in the order in which they were taken.
//!
//! # No worker waits
//! A worker that gets no ticket leaves. There are three cases: all items are taken, another worker
//! is splitting the source, or `limit` items are in flight. In the second case, the other worker
//! spawns a helper once it has put the source back. In the third case, some worker has the first
//! ticket that is not consumed. That worker makes its results or consumes them, and then asks for
//! the next ticket. All this is decided under one lock, which is not held while the user's code
//! runs or a value of the user's is dropped. So the last worker leaves only when everything is
//! consumed.
//!
//! While the worker with the first ticket waits in a join of the user's code, it may run another
//! helper of this loop on the same stack. The ticket cannot go on before that helper leaves, which
//! it does when the window is full, if not earlier.

use std::collections::VecDeque;
use std::mem;

use super::super::limit::{Limit, reserve, under};
use super::super::plumbing::{Producer, ProducerCallback};
use crate::context::{CancelToken, Stop};
use crate::fork::{Scope, stopping_token, whole_scope};
use crate::job::outcome;
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::sync::Mutex;
use crate::worker::is_simulated;

/// How many ticks it should take to make the items of a ticket; half to twice as many will do. A
/// guess: many times what a ticket costs.
const TICKET: u64 = 4 * TICKS_PER_MICROSECOND;

/// Takes the producer of `left` items. Calls `f` with these in order, until it returns false. At
/// most `limit` are in flight.
pub(crate) struct WhileTrue<'f, F> {
    pub(crate) left: usize,
    pub(crate) limit: usize,
    pub(crate) f: &'f mut F,
}

impl<T: Send, F: FnMut(T) -> bool + Send> ProducerCallback<T> for WhileTrue<'_, F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, producer: P) {
        let WhileTrue { left, limit, f } = self;
        reserve(crate::current_num_threads().min(limit), |workers, threads| {
            let state = State {
                source: Some(producer),
                left,
                in_flight: 0,
                ticket_len: 1,
                window: VecDeque::new(),
                first: 0,
                consumer: Some(f),
                helpers: 1,
                is_over: false,
            };
            let (state, stop) = (Mutex::new(state), stopping_token());
            let stream = Stream { state, limit, threads, workers, stop };
            whole_scope(|s| under(workers, || stream.work(s)));
        });
    }
}

/// What the workers of a loop share.
struct Stream<'l, P: Producer, F> {
    state: Mutex<State<P, P::Item, F>>,
    limit: usize,
    /// How many workers may help.
    threads: usize,
    /// The limit under which they work, if there is one.
    workers: Option<&'l Limit<'l>>,
    /// Stops the loop.
    stop: Option<CancelToken>,
}

struct State<P, T, F> {
    /// The items that have no ticket yet. `None` while a worker splits them.
    source: Option<P>,
    /// How many items `source` has.
    left: usize,
    /// How many items have a ticket, and are not consumed.
    in_flight: usize,
    /// How many items the next ticket is for.
    ticket_len: usize,
    /// The tickets from number `first` on. `Some`: for how many items the ticket was, and its
    /// results. (A wrong producer may make more or fewer.)
    window: VecDeque<Option<(usize, Vec<T>)>>,
    first: usize,
    /// The user's closure. `None` while a worker calls it.
    consumer: Option<F>,
    /// How many workers are at work here, or will be: helpers that were spawned.
    helpers: usize,
    /// Whether the consumer or a panic has ended the loop.
    is_over: bool,
}

/// Some items to make.
struct Ticket<P> {
    number: usize,
    len: usize,
    piece: P,
}

impl<P: Producer<Item: Send>, F: FnMut(P::Item) -> bool + Send> Stream<'_, P, &mut F> {
    /// Takes ticket after ticket.
    fn work<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>) {
        let over_on_panic = outcome::defer(|| self.state.lock().is_over = true);
        while let Some(Ticket { number, len, piece }) = self.take(s) {
            let start = ticks();
            let items: Vec<P::Item> = piece.into_iter().collect();
            let took = if is_simulated() { TICKET } else { ticks().wrapping_sub(start) };
            self.put(number, len, items, took, s);
            Stop::check(self.stop.as_ref());
        }
        mem::forget(over_on_panic);
    }

    /// Takes a ticket. On `None`, the caller no longer counts as a helper.
    fn take<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>) -> Option<Ticket<P>> {
        let mut state = self.state.lock();
        let room = self.limit - state.in_flight;
        let len = if state.is_over { 0 } else { state.ticket_len.min(state.left).min(room) };
        let Some(source) = (if len > 0 { state.source.take() } else { None }) else {
            state.helpers -= 1;
            return None;
        };
        state.left -= len;
        state.in_flight += len;
        let number = state.first + state.window.len();
        state.window.push_back(None);
        drop(state);
        let (piece, rest) = source.split_at(len);
        let mut state = self.state.lock();
        state.source = Some(rest);
        let helps = state.add_helper(self.threads, self.limit, 1);
        drop(state);
        if helps {
            self.spawn(s);
        }
        Some(Ticket { number, len, piece })
    }

    /// Puts in the results of ticket `number`. Consumes those that are due, unless another worker
    /// does.
    fn put<'scope, 'env>(
        &'env self,
        number: usize,
        len: usize,
        items: Vec<P::Item>,
        took: u64,
        s: &'scope Scope<'scope, 'env>,
    ) {
        let mut state = self.state.lock();
        state.adapt(len, took, self.limit / (2 * self.threads));
        let place = number - state.first;
        state.window[place] = Some((len, items));
        while let Some((f, len, items)) = state.due() {
            drop(state);
            let goes_on = items.into_iter().all(|item| {
                Stop::check(self.stop.as_ref());
                f(item)
            });
            state = self.state.lock();
            state.is_over |= !goes_on;
            state.consumer = Some(f);
            state.in_flight -= len;
            // Only if there is room for several tickets: else each would spawn a helper.
            if state.add_helper(self.threads, self.limit, self.limit.div_ceil(2)) {
                drop(state);
                self.spawn(s);
                state = self.state.lock();
            }
        }
    }

    fn spawn<'scope, 'env>(&'env self, s: &'scope Scope<'scope, 'env>) {
        drop(s.spawn(move || under(self.workers, || self.work(s))));
    }
}

impl<P, T, F> State<P, T, F> {
    /// Counts a new helper if one is wanted, and `room` more items fit. Returns whether it did.
    fn add_helper(&mut self, threads: usize, limit: usize, room: usize) -> bool {
        let has_room = limit - self.in_flight >= room && self.helpers < threads;
        let wants = has_room && self.left > 0 && !self.is_over;
        self.helpers += usize::from(wants);
        wants
    }

    /// A ticket for `len` items took `took` ticks. Makes the next longer, up to `most`, or shorter.
    fn adapt(&mut self, len: usize, took: u64, most: usize) {
        if took > TICKET * 2 {
            self.ticket_len = (len / 2).max(1);
        } else if took < TICKET / 2 && len == self.ticket_len {
            self.ticket_len = (len * 2).min(most).max(1);
        }
    }

    /// Takes the consumer and the results that are due, if both are there.
    fn due(&mut self) -> Option<(F, usize, Vec<T>)> {
        if self.is_over || !matches!(self.window.front(), Some(Some(_))) {
            return None;
        }
        let consumer = self.consumer.take()?;
        let (len, items) = self.window.pop_front().flatten()?;
        self.first += 1;
        Some((consumer, len, items))
    }
}
