//! A scope must not be used after its end.

fn main() {
    let mut kept = None;
    filch::in_place_scope(|s| {
        kept = Some(s);
    });
    kept.unwrap().spawn(|| 1);
}
