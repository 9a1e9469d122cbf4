//! Tests of the lease table with a manual clock: one module per subject, one random walk over
//! everything.

mod attach;
mod bounds;
mod dynamic;
mod epochs;
mod gc;
mod leases;
mod random_walk;
mod shutdown;
mod spec_attach;
mod spec_epochs;
mod spec_leases;
mod support;
