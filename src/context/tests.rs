//! Unit test: a dump finds a name by the address of its context, and old names are forgotten.

use std::sync::Arc;
use std::thread;

use super::{Context, NAMED, name_at};

fn named(name: &str) -> Arc<Context> {
    Context { name: Some(name.into()), ..Context::default() }.share()
}

#[test]
fn the_list_of_names_stays_short() {
    let kept: Vec<_> = (0..100).map(|number| named(&number.to_string())).collect();
    (0..20_000).for_each(|_| drop(named("gone")));
    assert!(NAMED.get().lock().len() < 2_000);
    for (number, context) in kept.iter().enumerate() {
        // (Other tests also lock the list.)
        let found = (0..10_000).find_map(|_| {
            thread::yield_now();
            name_at(Arc::as_ptr(context).addr())
        });
        assert_eq!(found.as_deref(), Some(&*number.to_string()));
    }
    assert_eq!(name_at(Arc::as_ptr(&Context::default().share()).addr()), None);
}
