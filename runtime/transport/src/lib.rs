//! The only crate that sees Aeron: link, publications, subscriptions, counters, media driver.
