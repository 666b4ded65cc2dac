//! Everything that is tested from outside, in one binary.

mod crds;
mod hostile;
mod load;
mod project;
mod write;
