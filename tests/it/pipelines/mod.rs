//! The pipelines of `examples/`: their scripts, run against a repository and a directory; what is called of a forge's API; and
//! what the definitions of the jobs promise.

mod definitions;
mod forge;
mod merges;
mod requests;
mod site;
