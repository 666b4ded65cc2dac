//! The in-memory directory keeps the contract.

use std::sync::Arc;

use tenantry::drivers::Memory;

crate::conformance::suite!(|| ((), Arc::new(Memory::new())));
