//! A rayon program with an order bug, which does not depend on filch. A shop serves orders in
//! parallel, and must not sell more than it has. Under some schedules it does:
//! `compat/deterministic/run` finds and replays one.

use std::process::ExitCode;
use std::sync::Mutex;

use rayon::prelude::*;

struct Shop {
    stock: Mutex<i64>,
    /// The numbers of the orders in the order they were served, each with the index of its worker.
    journal: Mutex<Vec<(usize, usize)>>,
}

struct Order {
    number: usize,
    pieces: i64,
    weights: Vec<u64>,
}

impl Shop {
    /// Serves an order if there is enough in stock. Returns the postage.
    fn serve(&self, order: &Order) -> Option<u64> {
        // The bug: the stock is checked here, but changed below. While the loop in between waits
        // for other workers, this worker or another may serve other orders.
        if *self.stock.lock().unwrap() < order.pieces {
            return None;
        }
        let postage = order.weights.par_iter().map(|grams| 90 + grams / 50).sum();
        *self.stock.lock().unwrap() -= order.pieces;
        let worker = rayon::current_thread_index().expect("loops run in a pool");
        self.journal.lock().unwrap().push((order.number, worker));
        Some(postage)
    }
}

fn main() -> ExitCode {
    let orders: Vec<Order> = (0..12)
        .map(|number| Order {
            number,
            pieces: 1 + number as i64 % 3,
            weights: (0..1 + number as u64 % 4).map(|n| 100 * n).collect(),
        })
        .collect();
    let shop = Shop { stock: Mutex::new(10), journal: Mutex::default() };
    let postage: u64 = orders.par_iter().filter_map(|order| shop.serve(order)).sum();

    let left = shop.stock.into_inner().unwrap();
    println!("served (order, worker): {:?}", shop.journal.into_inner().unwrap());
    println!("postage {postage}, {left} pieces left");
    if left < 0 {
        println!("WRONG: more was sold than there was");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
