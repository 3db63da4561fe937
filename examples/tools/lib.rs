//! Packages that only the examples need, and that bring many others. cargo leaves a local package
//! out when it publishes filch, so these are not in the published lock file.

pub use {plotters, png, sha1};
