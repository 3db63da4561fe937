//! An iterator that may end early leaves no `cancel_with`: its result would be a partial one.

use filch::CancelToken;
use filch::prelude::*;

fn main() {
    let token = CancelToken::new();
    let numbers = (0..10).into_par_iter().cancel_with(&token, |numbers| numbers);
    assert_eq!(numbers.unwrap().count(), 10);
}
