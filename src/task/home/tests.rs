//! Tests of the panics that a scope keeps.

use super::Panics;

#[test]
fn panics_that_handles_have_taken_need_no_memory() {
    let panics = Panics::default();
    let first = panics.keep(Box::new(0));
    for i in 1..100 {
        let numbers = [panics.keep(Box::new(i)), panics.keep(Box::new(-i))];
        let taken = numbers.map(|number| *panics.take(number).downcast::<i32>().unwrap());
        assert_eq!(taken, [i, -i]);
    }
    assert_eq!(panics.0.lock().len(), 1);
    drop(panics.take(first));
    assert!(panics.0.lock().is_empty());
}

#[test]
fn the_first_panic_is_the_oldest_that_no_handle_has_taken() {
    let panics = Panics::default();
    let numbers = [0, 1, 2].map(|i| panics.keep(Box::new(i)));
    drop(panics.take(numbers[2]));
    drop(panics.take(numbers[0]));
    panics.keep(Box::new(3));
    assert_eq!(*panics.first().unwrap().downcast::<i32>().unwrap(), 1);
}
