//! The texts and sources of build errors.

use std::error::Error;
use std::io;

use rayon_core::{ThreadPoolBuildError, ThreadPoolBuilder};

/// Returns the build error if the spawn handler fails with `text`.
fn refused(text: &'static str) -> ThreadPoolBuildError {
    let builder = ThreadPoolBuilder::new().num_threads(2);
    builder.spawn_handler(|_| Err(io::Error::other(text))).build().unwrap_err()
}

#[test]
fn a_build_error_holds_the_error_of_the_spawn_handler() {
    let error = refused("no thread today");
    assert_eq!(error.to_string(), "no thread today");
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::Other);
    assert_eq!(source.get_ref().unwrap().to_string(), "no thread today");
    assert_eq!(
        format!("{error:?}"),
        r#"ThreadPoolBuildError { kind: IOError(Custom { kind: Other, error: "no thread today" }) }"#
    );
}

#[test]
fn a_build_error_holds_the_error_of_the_system() {
    // No system has that much memory for a stack.
    let error = ThreadPoolBuilder::new().num_threads(1).stack_size(isize::MAX as usize).build();
    let error = error.unwrap_err();
    assert!(error.source().unwrap().is::<io::Error>());
    assert!(format!("{error:?}").starts_with("ThreadPoolBuildError { kind: IOError("), "{error:?}");
}

#[test]
fn a_thread_cannot_be_in_two_pools() {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let error = pool.install(|| {
        let again = ThreadPoolBuilder::new().num_threads(1).use_current_thread();
        again.build().unwrap_err()
    });
    assert_eq!(error.to_string(), "The current thread is already part of another thread pool.");
    assert!(error.source().is_none());
    assert_eq!(format!("{error:?}"), "ThreadPoolBuildError { kind: CurrentThreadAlreadyInPool }");
}

#[test]
fn there_is_one_global_pool() {
    rayon_core::current_num_threads();
    let error = ThreadPoolBuilder::new().build_global().unwrap_err();
    assert_eq!(error.to_string(), "The global thread pool has already been initialized.");
    assert!(error.source().is_none());
    assert_eq!(format!("{error:?}"), "ThreadPoolBuildError { kind: GlobalPoolAlreadyInitialized }");
    #[allow(deprecated)]
    let again = rayon_core::initialize(rayon_core::Configuration::new()).unwrap_err();
    assert!(again.is::<ThreadPoolBuildError>());
    #[allow(deprecated)]
    let description = again.description().to_owned();
    assert_eq!(description, error.to_string());
}
