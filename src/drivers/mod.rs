//! Directories: what stands behind the port. Each translates between [`crate::observed`] and what it talks to, and decides
//! nothing.

mod memory;
mod rows;

pub use memory::Memory;
