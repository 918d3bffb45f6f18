//! The admin listener with real sockets.
