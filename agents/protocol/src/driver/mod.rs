//! Cores of the driver: lease table, streams and epochs, node ids.
